// Memory that processes share or hand to each other.

package sock

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/fault"
)

// MemfdSealed returns a memory file that holds data and can never change again.
func MemfdSealed(name string, data []byte) (fd int, err error) {
	return MemfdGathered(name, [][]byte{data})
}

// maxIovecs is how many buffers one writev takes (UIO_MAXIOV of the kernel).
const maxIovecs = 1024

// MemfdGathered is MemfdSealed for the concatenation of parts.
func MemfdGathered(name string, parts [][]byte) (fd int, err error) {
	fd, err = newMemfd(name)
	if err != nil {
		return -1, err
	}
	defer closeOnError(&fd, &err)
	if err = writeAll(fd, parts); err != nil {
		return fd, err
	}
	_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SEAL|unix.F_SEAL_GROW|lastingSeals)
	return fd, err
}

// newMemfd makes a memory file that is never executed, which some kernels want to be told, and that only those can read to whom its
// descriptor is passed: it may hold passwords, private keys and the data of clients.
func newMemfd(name string) (fd int, err error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err = unix.MemfdCreate(name, flags|unix.MFD_NOEXEC_SEAL)
	if err == unix.EINVAL { // before Linux 6.3
		fd, err = unix.MemfdCreate(name, flags)
	}
	if err != nil {
		return -1, err
	}
	defer closeOnError(&fd, &err)
	return fd, unix.Fchmod(fd, 0)
}

// writeAll writes the concatenation of parts, which it leaves as they are.
func writeAll(fd int, parts [][]byte) error {
	var vectors [][]byte
	written := 0 // bytes of parts[0]
	for {
		for len(parts) > 0 && written >= len(parts[0]) {
			written -= len(parts[0])
			parts = parts[1:]
		}
		if len(parts) == 0 {
			return nil
		}
		vectors = append(vectors[:0], parts[:min(len(parts), maxIovecs)]...)
		vectors[0] = vectors[0][written:]
		n, err := unix.Writev(fd, vectors)
		if err != nil && err != unix.EINTR {
			return err
		}
		written += max(n, 0)
	}
}

// lastingSeals are those without which a mapped memory file could change, or vanish, under its reader.
const lastingSeals = unix.F_SEAL_SHRINK | unix.F_SEAL_WRITE

// MapSealed maps what a sealed memory file holds, to be read, and given back with Unmap. An empty one is nil.
func MapSealed(fd int) ([]byte, error) {
	seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if err != nil {
		return nil, err
	}
	if seals&lastingSeals != lastingSeals {
		return nil, errors.New("mapping memory file: it is not sealed")
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil || stat.Size == 0 {
		return nil, err
	}
	return unix.Mmap(fd, 0, int(stat.Size), unix.PROT_READ, unix.MAP_PRIVATE)
}

// maxReadBytes is more than any text has that one process writes for another.
const maxReadBytes = 1 << 30

// ReadAll returns what a memory file holds, whoever has read it before.
func ReadAll(fd int) ([]byte, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return nil, err
	}
	if stat.Size > maxReadBytes {
		return nil, fmt.Errorf("reading memory file: it has %d bytes, at most %d make sense", stat.Size, maxReadBytes)
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
	fd, err = newMemfd(name)
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

// MapWhole maps all of a memory file that another process has made with MemfdShared, shared with all who map it. One that
// is empty, or that somebody could make shorter under its readers, is an error.
func MapWhole(fd int) ([]byte, error) {
	seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if err == unix.EINVAL {
		err = errors.New("it is none")
	}
	if err != nil {
		return nil, fmt.Errorf("mapping memory file: %w", err)
	}
	if seals&unix.F_SEAL_SHRINK == 0 {
		return nil, errors.New("mapping memory file: its size is not sealed")
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return nil, err
	}
	if stat.Size == 0 {
		return nil, errors.New("mapping memory file: it is empty")
	}
	return Map(fd, int(stat.Size))
}

// Map maps size bytes of a memory file, shared with all who map it.
func Map(fd, size int) ([]byte, error) {
	return unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

// Unmap takes back what Map, MapSealed or MemfdShared returned; nil is fine.
func Unmap(mem []byte) error {
	if mem == nil {
		return nil
	}
	return unix.Munmap(mem)
}

// headroomBytes is how much the system must be able to give beyond every allocation. The Go runtime does not survive if
// the system refuses it memory, so what connections ask for is refused first: more than one of its arenas before.
const headroomBytes = 72 << 20

// Allocate returns size bytes or more of all-zero memory, whole pages, that belong to nobody else and go back to the
// system with Unmap. The memory is taken when it is first written to.
func Allocate(size int) ([]byte, error) {
	if _, err := fault.Call("map", -1, size); err != nil {
		return nil, err
	}
	b, err := unix.Mmap(-1, 0, pages(size+headroomBytes), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, err
	}
	return unix.Mremap(b, pages(size), 0)
}

// Reallocate makes what Allocate returned larger, without copying it. b is not to be used any more, unless it fails.
func Reallocate(b []byte, size int) ([]byte, error) {
	if _, err := fault.Call("map", -1, size); err != nil {
		return nil, err
	}
	moved, err := unix.Mremap(b, pages(size+headroomBytes), unix.MREMAP_MAYMOVE)
	if err != nil {
		return nil, err
	}
	return unix.Mremap(moved, pages(size), 0)
}

// Shrink gives the system back what Allocate returned, but for its first size bytes, whole pages. b is not to be used any
// more, unless it fails.
func Shrink(b []byte, size int) ([]byte, error) { return unix.Mremap(b, pages(size), 0) }

// Release gives the system back those pages that lie within b[from:to], where b is what Allocate returned: their content
// is lost. It returns how many bytes they have, and from where on the next ones are to be released.
func Release(b []byte, from, to int) (size, next int) {
	page := unix.Getpagesize()
	first, end := pages(from), to/page*page
	if first >= end || unix.Madvise(b[first:end], unix.MADV_DONTNEED) != nil {
		return 0, from
	}
	return end - first, end
}

func pages(size int) int {
	page := unix.Getpagesize()
	return (size + page - 1) / page * page
}
