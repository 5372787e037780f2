"""Find devices and agree with other processes."""
