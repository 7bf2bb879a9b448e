"""Numbers from evaluations: averages, intervals, paired tests, tables of retraining."""
