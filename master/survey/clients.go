// Clients: GET /clients tells of them, POST /clients/kill closes them.

package survey

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/query"
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
	d.lines(w, r, Inquiry{question.Pool, link.QuestionBody{What: link.AskClients, Argument: link.Body(question.ClientsQuestion)}})
}

// lines answers with the lines of all workers, as they come.
func (d *Desk) lines(w http.ResponseWriter, r *http.Request, q Inquiry) {
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

// clientsQuestion reads the parameters.
func clientsQuestion(parameters string) (m meant, err error) {
	err = query.Parameters{
		"pool": query.Text(&m.Pool), "address": addressParameter(&m.Address), "name": query.Text(&m.Name), "command": query.Text(&m.Command),
		"state": query.Choice(&m.State, link.ClientStates...), "min_idle": query.Number(&m.MinIdle, 0, math.MaxInt64), "min_age": query.Number(&m.MinAge, 0, math.MaxInt64),
		"id": query.Value(m.addID).Often(),
	}.Read(parameters)
	if err != nil {
		return m, err
	}
	m.Command = strings.ToLower(m.Command)
	return m, checkLength(m.ClientsQuestion)
}

// maxIDs is how many ids a question has room for.
const maxIDs = 256

func (m *meant) addID(text string) error {
	id, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return errors.New("it is a number")
	}
	if m.IDs = append(m.IDs, id); len(m.IDs) > maxIDs {
		return fmt.Errorf("there are at most %d of them", maxIDs)
	}
	return nil
}

// addressParameter is where clients come from: an address of the internet, with a port or without.
func addressParameter(to *string) query.Parameter {
	return query.Value(func(text string) error {
		at, err := netip.ParseAddrPort(text)
		if err == nil {
			*to = at.String()
			return nil
		}
		host, err := netip.ParseAddr(strings.Trim(text, "[]"))
		if err != nil {
			return errors.New("it is an address such as 192.0.2.7 or 192.0.2.7:50312, and no name")
		}
		*to = host.String()
		return nil
	})
}
