// Looking on: GET /monitor tells of requests as clients send them, until whoever looks has gone.

package survey

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/worker/link"
)

const (
	lookEvery   = 200 * time.Millisecond
	defaultRate = 1000 // lines in a second, of each worker
)

// monitor answers with lines for as long as somebody reads them.
func (d *Desk) monitor(w http.ResponseWriter, r *http.Request) {
	means, err := monitorQuestion(r.URL.RawQuery)
	if err != nil {
		admin.Refuse(w, admin.FailureParameter, err.Error())
		return
	}
	if !enter(d.looks, w) {
		return
	}
	defer leave(d.looks)
	means.Observation = rand.Uint64()
	q := link.QuestionBody{What: link.AskMonitor, Argument: link.Body(means)}
	out, begun := http.NewResponseController(w), false
	w.Header().Set("Content-Type", "application/x-ndjson")
	clock := time.NewTicker(lookEvery)
	defer clock.Stop()
	for {
		var lines [][]byte
		_, unheard, err := d.round(r.Context(), admin.AskerOf(r), q, nil, func(_ Worker, text []byte) error {
			lines = slices.AppendSeq(lines, bytes.Lines(text))
			return nil
		})
		no := (*refused)(nil)
		switch {
		case errors.As(err, &no) && !begun:
			admin.Refuse(w, no.failure, no.text)
			return
		case err == nil && !begun && len(lines) == 0 && len(unheard) > 0:
			admin.Refuse(w, admin.FailureInside, strings.Join(unheard, "; "))
			return
		case err != nil:
			return
		}
		begun = true
		slices.SortStableFunc(lines, func(a, b []byte) int { return bytes.Compare(a[:min(len(a), timeBytes)], b[:min(len(b), timeBytes)]) })
		out.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := w.Write(bytes.Join(lines, nil)); err != nil || out.Flush() != nil {
			return
		}
		select {
		case <-clock.C:
		case <-r.Context().Done():
			return
		case <-d.done:
			return
		}
	}
}

// timeBytes is how much of a line says when it was written.
const timeBytes = len(`{"at_us":1763816538000000`)

// monitorQuestion reads the parameters.
func monitorQuestion(query string) (m link.MonitorQuestion, err error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return m, fmt.Errorf("reading the parameters: %w", err)
	}
	prefix, rate := "", uint64(defaultRate)
	m.Every = 1
	texts := map[string]*string{"pool": &m.Pool, "prefix": &prefix, "command": &m.Command, "address": &m.Address, "name": &m.Name}
	numbers := map[string]*uint64{"client": &m.Client, "every": &m.Every, "rate": &rate}
	for name, given := range values {
		switch {
		case len(given) != 1 || given[0] == "":
			err = fmt.Errorf("parameter %q is needed once", name)
		case texts[name] != nil:
			*texts[name] = given[0]
		case numbers[name] != nil:
			*numbers[name], err = strconv.ParseUint(given[0], 10, 64)
		default:
			err = fmt.Errorf("unknown parameter %q; what there is: pool prefix command client address name every rate", name)
		}
		if err != nil {
			return m, err
		}
	}
	if len(prefix) > maxPrefix {
		return m, fmt.Errorf("a prefix of %d bytes is too long; at most %d", len(prefix), maxPrefix)
	}
	if rate < 1 || rate > link.MaxObservedRate || m.Every < 1 {
		return m, fmt.Errorf("rate is from 1 to %d lines in a second, and every is at least 1", link.MaxObservedRate)
	}
	m.Rate, m.Prefix, m.Command = int(rate), []byte(prefix), strings.ToLower(m.Command)
	return m, checkLength(m)
}

// maxPrefix is how much of a key may be asked for, in bytes.
const maxPrefix = 512
