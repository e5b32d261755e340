// Memory that processes share or hand to each other.

package sock

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// MemfdSealed returns a memory file that holds data and can never change again.
func MemfdSealed(name string, data []byte) (fd int, err error) {
	fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return -1, err
	}
	defer closeOnError(&fd, &err)
	for rest := data; len(rest) > 0; {
		n, err := unix.Write(fd, rest)
		if err != nil {
			return fd, err
		}
		rest = rest[n:]
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals)
	return fd, err
}

// ReadAll returns what a memory file holds, whoever has read it before.
func ReadAll(fd int) ([]byte, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return nil, err
	}
	b := make([]byte, stat.Size)
	for done := 0; done < len(b); {
		n, err := unix.Pread(fd, b[done:], int64(done))
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return nil, fmt.Errorf("reading memory file: %d of %d bytes", done, len(b))
		}
		done += n
	}
	return b, nil
}

// MemfdShared returns an all-zero memory file of size bytes and its mapping. Whoever holds the descriptor can Map it.
func MemfdShared(name string, size int) (fd int, mem []byte, err error) {
	fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return -1, nil, err
	}
	defer closeOnError(&fd, &err)
	if err = unix.Ftruncate(fd, int64(size)); err != nil {
		return fd, nil, err
	}
	if _, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW); err != nil {
		return fd, nil, err
	}
	mem, err = Map(fd, size)
	return fd, mem, err
}

// Map maps size bytes of a memory file, shared with all who map it.
func Map(fd, size int) ([]byte, error) {
	return unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

// Unmap takes back what Map or MemfdShared returned.
func Unmap(mem []byte) error { return unix.Munmap(mem) }

// headroomBytes is how much the system must be able to give beyond every allocation. The Go runtime does not survive if
// the system refuses it memory, so what connections ask for is refused first: more than one of its arenas before.
const headroomBytes = 72 << 20

// Allocate returns size bytes or more of all-zero memory, whole pages, that belong to nobody else and go back to the
// system with Unmap. The memory is taken when it is first written to.
func Allocate(size int) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, pages(size+headroomBytes), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, err
	}
	return unix.Mremap(b, pages(size), 0)
}

// Reallocate makes what Allocate returned larger, without copying it. b is not to be used any more, unless it fails.
func Reallocate(b []byte, size int) ([]byte, error) {
	moved, err := unix.Mremap(b, pages(size+headroomBytes), unix.MREMAP_MAYMOVE)
	if err != nil {
		return nil, err
	}
	return unix.Mremap(moved, pages(size), 0)
}

func pages(size int) int {
	page := unix.Getpagesize()
	return (size + page - 1) / page * page
}
