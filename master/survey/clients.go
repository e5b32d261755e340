// Clients: GET /clients tells of them, POST /clients/kill closes them.

package survey

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/worker/link"
)

// Handle answers what needs workers.
func (d *Desk) Handle(mux *http.ServeMux) {
	mux.HandleFunc("GET /clients", func(w http.ResponseWriter, r *http.Request) { d.clients(w, r, false) })
	mux.HandleFunc("GET /monitor", d.monitor)
	mux.HandleFunc("POST /clients/kill", func(w http.ResponseWriter, r *http.Request) { d.clients(w, r, true) })
}

// End is the last line of what is answered in lines of JSON. Without it, there is more that has not come.
type End struct {
	End     bool     `json:"end"`
	Unheard []string `json:"unheard,omitempty"` // workers that have not told everything, and why
}

// writeTimeout is how long who asks may take to read a page.
const writeTimeout = 5 * time.Second

// clients answers with the clients that the parameters mean.
func (d *Desk) clients(w http.ResponseWriter, r *http.Request, kill bool) {
	question, err := clientsQuestion(r.URL.RawQuery)
	if err == nil && kill && question.isEmpty() {
		err = errors.New("say which clients: all would be closed")
	}
	if err != nil {
		admin.Refuse(w, admin.FailureParameter, err.Error())
		return
	}
	question.Kill = kill
	d.lines(w, r, link.QuestionBody{What: link.AskClients, Argument: link.Body(question.ClientsQuestion)})
}

// lines answers with the lines of all workers, as they come.
func (d *Desk) lines(w http.ResponseWriter, r *http.Request, q link.QuestionBody) {
	if !enter(d.room, w) {
		return
	}
	defer leave(d.room)
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/x-ndjson")
	begun := false
	write := func(_ Worker, text []byte) error {
		begun = true
		out.SetWriteDeadline(time.Now().Add(writeTimeout))
		_, err := w.Write(text)
		return err
	}
	unheard, err := d.all(r.Context(), admin.AskerOf(r), q, write)
	no := (*refused)(nil)
	switch {
	case err == nil:
		slices.Sort(unheard)
		text, _ := json.Marshal(End{End: true, Unheard: unheard}) // of types that always have a form
		write(Worker{}, append(text, '\n'))
	case begun: // it sees that the end is missing
	case errors.As(err, &no):
		admin.Refuse(w, no.failure, no.text)
	default:
		admin.Refuse(w, admin.FailureInside, err.Error())
	}
}

// meant is what the parameters of a request mean.
type meant struct{ link.ClientsQuestion }

func (m *meant) isEmpty() bool {
	return m.IDs == nil && m.Pool+m.Address+m.Name+m.Command+m.State == "" && m.MinIdle+m.MinAge == 0
}

// checkLength reports a question that a message between processes has no room for: in JSON some bytes are six.
func checkLength(question any) error {
	const most = link.MaxMessageBytes - 512 // for what stands around it
	if n := len(link.Body(question)); n > most {
		return fmt.Errorf("the parameters are too long together: %d bytes in JSON; at most %d", n, most)
	}
	return nil
}

// clientsQuestion reads the parameters. One that is misspelt must not be ignored: more clients would be closed than are meant.
func clientsQuestion(query string) (m meant, err error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return m, fmt.Errorf("reading the parameters: %w", err)
	}
	texts := map[string]*string{"pool": &m.Pool, "address": &m.Address, "name": &m.Name, "command": &m.Command, "state": &m.State}
	numbers := map[string]*int64{"min_idle": &m.MinIdle, "min_age": &m.MinAge}
	for name, given := range values {
		switch {
		case name == "id":
			m.IDs, err = readIDs(given)
		case len(given) != 1 || given[0] == "":
			err = fmt.Errorf("parameter %q is needed once", name)
		case texts[name] != nil:
			*texts[name] = given[0]
		case numbers[name] != nil:
			*numbers[name], err = strconv.ParseInt(given[0], 10, 64)
		default:
			err = fmt.Errorf("unknown parameter %q; what there is: id pool address name command state min_idle min_age", name)
		}
		if err != nil {
			return m, err
		}
	}
	m.Command = strings.ToLower(m.Command)
	if m.MinIdle < 0 || m.MinAge < 0 {
		return m, errors.New("min_idle and min_age are seconds")
	}
	return m, checkLength(m.ClientsQuestion)
}

// maxIDs is how many ids a question has room for.
const maxIDs = 256

func readIDs(given []string) (ids []uint64, err error) {
	for _, text := range given {
		id, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("parameter \"id\" is %q; it is a number", text)
		}
		ids = append(ids, id)
	}
	if len(ids) > maxIDs {
		return nil, fmt.Errorf("%d ids are too many; at most %d", len(ids), maxIDs)
	}
	return ids, nil
}
