"""Who is measured: each file starts one way of taking readings in, each in processes of its own."""
