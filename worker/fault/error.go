// Errors that only tests cause. Those that the kernel causes, too, have the kernel's names.

package fault

import "errors"

var (
	// ErrGarbage asks the caller to send unreadable bytes.
	ErrGarbage = errors.New("fault: garbage")
	// ErrShortWrite asks the caller to write less than it should.
	ErrShortWrite = errors.New("fault: short write")
)
