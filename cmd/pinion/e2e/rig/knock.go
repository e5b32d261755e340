// One connection, one question: is anyone at home?

package rig

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"syscall"
	"time"
)

var ErrRefused = errors.New("refused")

// KnockOnce fails with errRefused if it is not connected at all.
func KnockOnce(network, address string, pause time.Duration) error {
	conn, err := net.DialTimeout(network, address, Patience)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return ErrRefused
	case errors.Is(err, syscall.EAGAIN): // a unix socket's queue is full
		return nil
	case err != nil:
		return err
	}
	defer conn.Close()
	if pause > 0 {
		<-time.After(pause)
	}
	conn.SetDeadline(time.Now().Add(Patience))
	const pong = "+PONG\r\n"
	if _, err = io.WriteString(conn, Request("PING")); err == nil {
		reply := make([]byte, len(pong))
		if _, err = io.ReadFull(conn, reply); err == nil && string(reply) != pong {
			err = fmt.Errorf("got %q", reply)
		}
	}
	return err
}
