// The errors that only a test makes happen. Those that the kernel makes happen, too, have the kernel's names.

package fault

import "errors"

var (
	// ErrGarbage asks the caller to send bytes that nobody can read.
	ErrGarbage = errors.New("fault: garbage")
	// ErrShortWrite asks the caller to write less than it should.
	ErrShortWrite = errors.New("fault: short write")
)
