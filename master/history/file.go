// The form in a file, in which a history outlives its master.

package history

import (
	"bufio"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
)

// format is the first line of a file. Another one is another form: whoever changes what is kept changes the number.
const format = "pinion history 1\n"

// MaxFileBytes is more than a file of ours can have.
const MaxFileBytes = 64 << 20

// ErrFormat is that of a history that another build has written.
var ErrFormat = errors.New("another format")

// Write writes the history.
func (h *History) Write(to io.Writer) error {
	w := bufio.NewWriter(to)
	if _, err := w.WriteString(format); err != nil {
		return err
	}
	if err := gob.NewEncoder(w).Encode(h); err != nil {
		return err
	}
	return w.Flush()
}

// Read reads what Write wrote; ErrFormat: another build has written it.
func Read(from io.Reader) (*History, error) {
	r := bufio.NewReader(io.LimitReader(from, MaxFileBytes))
	head := make([]byte, len(format))
	if _, err := io.ReadFull(r, head); err != nil || string(head) != format {
		return nil, ErrFormat
	}
	h := new(History)
	err := gob.NewDecoder(r).Decode(h)
	if err == nil {
		err = h.check()
	}
	if err != nil {
		return nil, fmt.Errorf("reading a history: %w", err)
	}
	if h.Pools == nil { // gob leaves out what is empty
		h.Pools = map[string]*Track{}
	}
	if h.Servers == nil {
		h.Servers = map[Place]*Rate{}
	}
	return h, nil
}

// check reports what Write would not have written.
func (h *History) check() error {
	if h.Total == nil || len(h.Pools) > MaxPools || len(h.Servers) > MaxServers || len(h.Handoffs) > MaxHandoffs {
		return fmt.Errorf("%d pools, %d servers and %d handoffs", len(h.Pools), len(h.Servers), len(h.Handoffs))
	}
	if err := h.Total.check(); err != nil {
		return err
	}
	for _, t := range h.Pools {
		if err := t.check(); err != nil {
			return err
		}
	}
	for _, r := range h.Servers {
		if err := errors.Join(r.Short.check(ShortSteps), r.Long.check(LongSteps)); err != nil {
			return err
		}
	}
	return nil
}

func (t *Track) check() (err error) {
	for i := range numValues {
		err = errors.Join(err, t.Short[i].check(ShortSteps), t.Long[i].check(LongSteps))
	}
	return err
}
