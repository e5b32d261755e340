// Answers of the admin socket that are lines of JSON, made by many workers.

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/pinion-proxy/pinion/master/survey"
)

// errCut is the error of an answer without its last line.
var errCut = errors.New("the answer was cut off; the proxy was busy, or has ended")

// lines asks something and calls take with each line of the answer. It returns what workers have not told. A master that hands over
// to another one is asked again, unless lines have come.
func (m *adminSocket) lines(ctx context.Context, method, path string, parameters url.Values, take func(line []byte) error) (unheard []string, err error) {
	began, took := time.Now(), false
	for {
		var end survey.End
		var stopped error // by take
		err = m.read(ctx, method, path, parameters, func(body io.Reader) error {
			stopped = eachLine(body, &end, func(line []byte) error {
				took = true
				return take(line)
			})
			return nil
		})
		again := refusedWith(err, http.StatusServiceUnavailable)
		if took || !again || time.Since(began) > m.succession || !pause(ctx) {
			if err == nil && stopped == nil && !end.End {
				err = errCut
			}
			return end.Unheard, errors.Join(err, stopped)
		}
	}
}

// eachLine calls take with each line but the last one, which is end; without end it is a line as others are.
func eachLine(body io.Reader, end *survey.End, take func(line []byte) error) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxAnswerBytes)
	for lines.Scan() {
		line := lines.Bytes()
		if end != nil && bytes.HasPrefix(line, []byte(`{"end":`)) {
			return json.Unmarshal(line, end)
		}
		if err := take(line); err != nil {
			return err
		}
	}
	return lines.Err()
}
