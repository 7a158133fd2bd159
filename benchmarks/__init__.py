"""What soltrace costs, measured pair by pair against bare diffrax and diffrax's own progress meters."""
