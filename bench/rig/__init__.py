"""What every bench of ingest stands on: a small town, a lean driver, processes and their cost, figures."""
