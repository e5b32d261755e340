package sock

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// The kernel's temporary refusals are no failures, others are.
func TestCrowded(t *testing.T) {
	for err, want := range map[error]bool{
		unix.ETOOMANYREFS: true, unix.ENOBUFS: true, unix.ENOMEM: true, unix.EPIPE: false, unix.EMSGSIZE: false, os.ErrDeadlineExceeded: false,
	} {
		if Crowded(err) != want {
			t.Errorf("%v: %v", err, !want)
		}
	}
	if Crowded(nil) {
		t.Error("success is taken for a refusal")
	}
}
