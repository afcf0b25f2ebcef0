"""What the taps of web services share."""
