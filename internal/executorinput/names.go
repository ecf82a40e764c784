package executorinput

// The names the compiler and the launcher share.
const (
	RunInput     = runInput
	WorkerInput  = workerInput
	WorkersInput = workersInput
	StatusInput  = statusInput
	ExactInput   = exactInput
	ResumeInput  = resumeInput

	// DefaultMark as the text of a parameter means "not given": the value is
	// the definition's default. KFP cannot hand a missing input through a
	// sub-DAG, so the pipeline gives every parameter a text, also one whose
	// default is None or would not arrive as it is.
	DefaultMark = "millrace:default"
)
