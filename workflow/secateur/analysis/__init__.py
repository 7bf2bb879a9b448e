"""From evaluations to numbers: averages, intervals, paired tests, what retraining gives back."""
