"""Make taggers of fine-tuned checkpoints: those that transformers calls …ForTokenClassification."""
