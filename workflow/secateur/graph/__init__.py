"""A model as a traced graph: operations by kind, shapes, folding."""
