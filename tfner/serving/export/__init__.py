"""Write a trained model as a SavedModel, and look at one before it is loaded."""
