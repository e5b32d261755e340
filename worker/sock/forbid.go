// System calls that a worker has no use for, refused by a filter (seccomp(2)) whatever the service's unit says: somebody who has made
// a worker run other code would have the whole kernel to attack.
//
// The filter names what is forbidden, not what is allowed: which calls Go's runtime makes changes with Go, with the kernel and with
// the build, and a worker that lacks one of them hangs or loses its clients, where one forbidden call less is a loss to nobody.

package sock

import (
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// forbidden are those that fail with EPERM on every processor. Signals, paths and ports are Landlock's, see worker/sandbox.
var forbidden = [][]uint32{
	{unix.SYS_EXECVE, unix.SYS_EXECVEAT}, // other programs
	{ // other processes
		unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PROCESS_MADVISE, unix.SYS_KCMP,
		unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_GETFD, unix.SYS_PIDFD_SEND_SIGNAL,
	},
	{ // namespaces, in which a process without rights has some; and mounts
		unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_CHROOT, unix.SYS_PIVOT_ROOT, unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_OPEN_TREE,
		unix.SYS_MOVE_MOUNT, unix.SYS_MOUNT_SETATTR, unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK,
	},
	{ // files without paths
		unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_NAME_TO_HANDLE_AT, unix.SYS_FANOTIFY_INIT,
	},
	{ // large parts of the kernel, in which holes are found
		unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD,
		unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
		unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL, unix.SYS_PERSONALITY,
	},
	{ // the machine
		unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD,
		unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_QUOTACTL, unix.SYS_SYSLOG, unix.SYS_SETHOSTNAME,
		unix.SYS_SETDOMAINNAME, unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX,
	},
}

const (
	dataFlags    = 16         // of clone(2) in struct seccomp_data, on processors with a little end
	foreignCalls = 0x40000000 // from here on: those of another ABI of the same processor, x32
)

// Forbid has calls that a worker does not need fail, for all threads and for good. Threads may be started, processes not. A kernel
// older than Linux 4.17, or one without seccomp, refuses with EINVAL or ENOSYS, and a filter that is already there may with any error.
func Forbid() error {
	if auditArch == 0 {
		return unix.ENOSYS // the numbers of this processor's calls are not known
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	program := forbid(slices.Concat(append(forbidden, forbiddenHere)...))
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	// Older kernels would have a process with a filter pay for guesses of the processor that only foreign code abuses.
	const flags = unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&filter)))
	if errno != 0 {
		return errno
	}
	if thread != 0 {
		return fmt.Errorf("thread %d has another filter than this one", thread)
	}
	return nil
}

// forbid returns the filter. Of calls that it allows without a look at their arguments the kernel knows that, and does not run it.
func forbid(calls []uint32) []unix.SockFilter {
	const (
		load   = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		least  = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
		has    = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
		result = unix.BPF_RET | unix.BPF_K
	)
	const refuse, unknown = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM), unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	program := []unix.SockFilter{
		{Code: load, K: dataArch},
		{Code: equal, K: auditArch, Jt: 1},
		{Code: result, K: refuse}, // else calls of 32 bits would go by other numbers
		{Code: load, K: dataNumber},
		{Code: equal, K: unix.SYS_CLONE3, Jf: 1},
		{Code: result, K: unknown}, // its flags are in memory, which no filter reads; who calls it calls clone(2) then
		{Code: equal, K: unix.SYS_CLONE, Jf: 4},
		{Code: load, K: dataFlags},
		{Code: has, K: unix.CLONE_THREAD, Jt: 1},
		{Code: result, K: refuse},
		{Code: result, K: unix.SECCOMP_RET_ALLOW},
		{Code: least, K: foreignCalls, Jt: uint8(len(calls) + 1)},
	}
	for i, c := range calls {
		program = append(program, unix.SockFilter{Code: equal, K: c, Jt: uint8(len(calls) - i)})
	}
	return append(program, unix.SockFilter{Code: result, K: unix.SECCOMP_RET_ALLOW}, unix.SockFilter{Code: result, K: refuse})
}
