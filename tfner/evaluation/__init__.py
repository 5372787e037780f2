"""Judge predictions: scores, kinds of errors and the report that shows both. No TensorFlow here."""
