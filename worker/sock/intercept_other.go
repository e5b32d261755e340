//go:build !amd64 && !arm64

// Where the numbers of calls are not known, none is intercepted or forbidden.

package sock

const (
	auditArch  = 0
	callUnlink = noCall
)

var forbiddenHere []uint32
