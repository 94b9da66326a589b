"""What an operator may ask and do: a file for each subject, and the session that serves them."""
