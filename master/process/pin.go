// Pinning a worker to its CPU: a process inherits the CPUs of the thread that starts it.

package process

import (
	"os"
	"runtime"
	"syscall"

	"github.com/pinion-proxy/pinion/worker/sock"
)

// onCPU calls start on a thread of its own, which runs on one CPU and ends with it; -1: on any. It is told if the kernel does not allow
// that. No other thread is ever moved: one that is moved back has its CPUs set by hand from then on, and no longer follows when those of
// its control group change. The first thread of the process would not end, and stay where it was moved, so it is passed over.
func onCPU(cpu int, start func(unpinned error) error) (err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		if syscall.Gettid() == os.Getpid() {
			defer runtime.UnlockOSThread()
			err = onCPU(cpu, start)
			return
		}
		unpinned := error(nil)
		if cpu >= 0 {
			unpinned = sock.SetAffinity([]int{cpu})
		}
		err = start(unpinned)
	}()
	<-done
	return err
}
