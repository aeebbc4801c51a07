package configuration

// Remembered returns the number of versions that are remembered as unusable.
func (c *Current) Remembered() int { return len(c.unusable) }
