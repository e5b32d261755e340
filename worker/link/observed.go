// Requests as a worker tells the master of them while somebody looks on, and which of them are meant.

package link

// MaxObservedRate is how many requests in a second a worker tells one observer of, at most.
const MaxObservedRate = 5000

// MonitorQuestion says which requests are meant: those that all of this is true of. It begins an observation, and goes on with it: one
// that is not asked for again in time ends.
type MonitorQuestion struct {
	Observation uint64 `json:"observation"`       // chosen by who asks
	Pool        string `json:"pool,omitempty"`    // its name
	Prefix      []byte `json:"prefix,omitempty"`  // of the first key
	Command     string `json:"command,omitempty"` // in lower case; of "client|list" also the part before the bar
	Client      uint64 `json:"client,omitempty"`  // id
	Address     string `json:"address,omitempty"` // of the client: host:port, or a host alone
	Name        string `json:"name,omitempty"`    // of the client, as CLIENT SETNAME has set it
	Every       uint64 `json:"every"`             // of these, only each that many; at least 1
	Rate        int    `json:"rate"`              // of these, at most so many in a second; 1 to MaxObservedRate
}

// ObservedRequest is one that a client has sent, before it is answered or refused. It is what pinion monitor --json prints: a field keeps its
// name and its unit once it is released.
type ObservedRequest struct {
	At        int64  `json:"at_us"` // µs since the epoch
	Worker    int    `json:"worker"`
	Pool      string `json:"pool,omitempty"`
	Client    uint64 `json:"client,omitempty"`
	Address   string `json:"address,omitempty"`
	Name      string `json:"name,omitempty"`
	Command   string `json:"command,omitempty"`
	Key       string `json:"key,omitempty"`        // the first
	KeyBase64 []byte `json:"key_base64,omitempty"` // in its place, where it is no UTF-8
	KeyCut    bool   `json:"key_cut,omitempty"`    // it is longer
	Bytes     int    `json:"bytes,omitempty"`      // of the request

	Missed int `json:"missed,omitempty"` // in place of all but At and Worker: how many more were meant since the last such line
}
