// The state of a connection as bytes, for another process.

package tlsrec

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
)

// The state is
//
//	1 format · 1 flags · 2 version · 2 suite · 8 + 8 sequence numbers in and out · 1 idle records
//	4 bytes to skip · 1 n · n bytes of a message · the secret in · the secret out
//
// with big-endian numbers. A build that does not know the format, a flag, the version or the suite refuses it.
const (
	stateFormat = 1
	stateFixed  = 28

	flagClient        = 1
	flagKeyUpdateOwed = 2
	flagCloseSent     = 4
	flagCloseReceived = 8
	flagsKnown        = flagClient | flagKeyUpdateOwed | flagCloseSent | flagCloseReceived
)

var errState = errors.New("this build can't read the state of a TLS connection")

// AppendState appends the state of the connection, which is to be frozen as long as anybody may restore it. A connection that
// has failed has none to go on with.
func (c *Conn) AppendState(b []byte) []byte {
	b = append(b, stateFormat, c.flags())
	b = binary.BigEndian.AppendUint16(b, c.Version())
	b = binary.BigEndian.AppendUint16(b, c.Suite())
	b = binary.BigEndian.AppendUint64(b, c.in.seq)
	b = binary.BigEndian.AppendUint64(b, c.out.seq)
	b = append(b, c.idle)
	b = binary.BigEndian.AppendUint32(b, c.skip)
	b = append(b, c.headLen)
	b = append(b, c.header[:c.headLen]...)
	n := suites[c.suite].secretSize()
	return append(append(b, c.in.secret[:n]...), c.out.secret[:n]...)
}

func (c *Conn) flags() byte {
	return bit(c.client, flagClient) | bit(c.keyUpdateOwed, flagKeyUpdateOwed) |
		bit(c.closeSent, flagCloseSent) | bit(c.closeReceived, flagCloseReceived)
}

func bit(set bool, flag byte) byte {
	if set {
		return flag
	}
	return 0
}

// Restore returns the connection whose state AppendState has written, asleep. It owns none of b.
func Restore(b []byte) (*Conn, error) {
	if len(b) < stateFixed || b[0] != stateFormat || b[1]&^flagsKnown != 0 {
		return nil, errState
	}
	flags := b[1]
	index, err := suiteOf(binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint16(b[4:]))
	if err != nil {
		return nil, errState
	}
	c := &Conn{
		suite: index, client: flags&flagClient != 0, keyUpdateOwed: flags&flagKeyUpdateOwed != 0,
		closeSent: flags&flagCloseSent != 0, closeReceived: flags&flagCloseReceived != 0,
		idle: b[22], skip: binary.BigEndian.Uint32(b[23:]), headLen: b[27],
	}
	c.in.seq, c.out.seq = binary.BigEndian.Uint64(b[6:]), binary.BigEndian.Uint64(b[14:])
	rest := b[stateFixed:]
	n := suites[index].secretSize()
	if int(c.headLen) > len(c.header) || len(rest) != int(c.headLen)+2*n || !c.possible(rest[:c.headLen]) {
		return nil, errState
	}
	rest = rest[copy(c.header[:], rest[:c.headLen]):]
	copy(c.in.secret[:], rest[:n])
	copy(c.out.secret[:], rest[n:])
	return c, nil
}

// possible tells whether a connection can be in the state that has been read, with the beginning of a message.
func (c *Conn) possible(message []byte) bool {
	if c.idle > maxIdle || c.skip > maxTicket || c.skip > 0 && (!c.client || len(message) > 0) {
		return false
	}
	if c.Version() != tls.VersionTLS13 {
		return len(message) == 0 && c.skip == 0 && !c.keyUpdateOwed
	}
	if len(message) == 0 {
		return true
	}
	whole := len(message) == len(c.header)
	return message[0] == messageKeyUpdate && (!whole || message[1] == 0 && message[2] == 0 && message[3] == 1) ||
		message[0] == messageNewSessionTicket && c.client && !whole
}
