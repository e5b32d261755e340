// Buffers, and their sizes.

package memory

import (
	"unsafe"

	"github.com/valyala/bytebufferpool"
)

// Sizes of buffers, in bytes.
const (
	FirstChunkBytes   = 4 << 10   // of the first chunk of a queue
	LargestChunkBytes = 64 << 10  // of the further ones, at most
	MappedBytes       = 128 << 10 // from here on a buffer is mapped

	// ClaimBytes is from where on a request or a reply that fills a buffer takes it along instead of being copied, and from
	// where on a value within one is not copied but viewed.
	ClaimBytes = 32 << 10

	// ReleaseBytes is how much of a mapped buffer the system gets back at a time.
	ReleaseBytes = 256 << 10

	// A mapped buffer grows by a part of its size, and by so many bytes at least.
	GrowthPart  = 16
	GrowthBytes = 256 << 10

	mostRoomFor = 4 // times its bytes is the room that a remainder takes, if that is more than FirstChunkBytes
)

// Buffer holds bytes. nil is an empty Buffer that owns nothing.
type Buffer struct {
	B        []byte                     // the bytes; nobody appends beyond cap(B)
	Users    int32                      // for its owner to count its users
	chunk    []byte                     // B's memory is this,
	views    int32                      // of it, that are not put back
	next     *Buffer                    // in a list of memory
	pooled   *bytebufferpool.ByteBuffer // or in here,
	mapped   []byte                     // or this,
	whole    *Buffer                    // or that of this one, of which it is a view
	at       int                        // where B begins in mapped, its own or that of whole
	kept     int                        // where its part of mapped begins that the system has not got back; kept ≤ at
	gone     int                        // bytes of mapped that the system has got back
	returned bool                       // back, but for its views
}

// BufferBytes is the size of a Buffer without its bytes.
const BufferBytes = int(unsafe.Sizeof(Buffer{}))

// Cost returns how many bytes of memory b takes, without the parts that were taken out of it.
func (b *Buffer) Cost() int {
	switch {
	case b == nil:
		return 0
	case b.chunk != nil:
		return BufferBytes + len(b.chunk)
	case b.pooled != nil:
		return BufferBytes + cap(b.pooled.B)
	case b.whole != nil:
		return BufferBytes + len(b.B)
	}
	return BufferBytes + len(b.mapped) - b.at
}

// Bytes returns the bytes in b.
func (b *Buffer) Bytes() []byte {
	if b == nil {
		return nil
	}
	return b.B
}

// IsMapped tells whether the system can have a part of b's memory back.
func (b *Buffer) IsMapped() bool { return b.mapped != nil || b.whole != nil && b.whole.mapped != nil }
