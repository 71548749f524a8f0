"""What everything else stands on: errors, labels, files, words to the user."""
