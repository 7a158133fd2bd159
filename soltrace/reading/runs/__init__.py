"""What has become of the runs: which go on, which wait to be run again, and which are lost, since when and why."""
