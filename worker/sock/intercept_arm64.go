// Numbers of calls that depend on the processor.

package sock

import "golang.org/x/sys/unix"

const (
	auditArch  = unix.AUDIT_ARCH_AARCH64
	callUnlink = noCall
)

var forbiddenHere []uint32
