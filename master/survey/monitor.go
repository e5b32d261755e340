// Looking on: GET /monitor tells of requests as clients send them, until whoever looks has gone.

package survey

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/query"
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
	q := Inquiry{means.Pool, link.QuestionBody{What: link.AskMonitor, Argument: link.Body(means)}}
	out, begun := http.NewResponseController(w), false
	w.Header().Set("Content-Type", "application/x-ndjson")
	clock := time.NewTicker(lookEvery)
	defer clock.Stop()
	for {
		var lines [][]byte
		heard := 0
		_, unheard, err := d.round(r.Context(), admin.AskerOf(r), q, nil, func(_ Worker, text []byte) error {
			heard++
			lines = slices.AppendSeq(lines, bytes.Lines(text))
			return nil
		})
		no := (*refused)(nil)
		switch {
		case errors.As(err, &no) && !begun:
			admin.Refuse(w, no.failure, no.text)
			return
		case err == nil && !begun && heard == 0 && len(unheard) > 0: // while one hangs, the others can be watched
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
func monitorQuestion(parameters string) (m link.MonitorQuestion, err error) {
	m.Every, m.Rate = 1, defaultRate
	err = query.Parameters{
		"pool": query.Text(&m.Pool), "command": query.Text(&m.Command), "address": addressParameter(&m.Address), "name": query.Text(&m.Name),
		"client": query.Number(&m.Client, 0, math.MaxUint64), "every": query.Number(&m.Every, 1, math.MaxUint64), "rate": query.Number(&m.Rate, 1, link.MaxObservedRate),
		"prefix": query.Value(func(text string) error {
			if m.Prefix = []byte(text); len(text) > maxPrefix {
				return fmt.Errorf("it has at most %d bytes", maxPrefix)
			}
			return nil
		}),
	}.Read(parameters)
	if err != nil {
		return m, err
	}
	m.Command = strings.ToLower(m.Command)
	return m, checkLength(m)
}

// maxPrefix is how much of a key may be asked for, in bytes.
const maxPrefix = 512
