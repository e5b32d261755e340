// Numbers of calls that depend on the processor.

package sock

import "golang.org/x/sys/unix"

const (
	auditArch  = unix.AUDIT_ARCH_X86_64
	callUnlink = unix.SYS_UNLINK
)

// forbiddenHere are those of forbidden that other processors do not have.
var forbiddenHere = []uint32{unix.SYS_FORK, unix.SYS_VFORK, unix.SYS_IOPL, unix.SYS_IOPERM, unix.SYS_MODIFY_LDT, unix.SYS_USELIB}
