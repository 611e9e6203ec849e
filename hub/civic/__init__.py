"""The civic slices: each a folder of one shape; they never import each other."""
