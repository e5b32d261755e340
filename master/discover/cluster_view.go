// What one node of a Redis Cluster says of it: the replies to CLUSTER NODES, which has ids, epochs and nodes without slots, and to
// CLUSTER SLOTS, which has the addresses as clients are to call them.

package discover

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/pinion-proxy/pinion/worker/link"
)

// view is what a node says of its cluster.
type view struct {
	self  string           // its own id
	nodes map[string]*seen // by id
}

// seen is a node as another one sees it, or as it sees itself.
type seen struct {
	address string // "host:port"; empty: it has none
	guessed bool   // the host is where the view comes from, as the node does not know its own
	primary bool
	of      string // of a replica: id of its primary; empty: not known
	epoch   uint64 // of its configuration; of a replica: of its primary's
	failed  bool   // most primaries say that it does not work
	slots   []link.HashRange
	aliases []string // what else than its address nodes call it that answers there
}

// parseView reads the replies of the node that was asked at host: the text of CLUSTER NODES, and the array of CLUSTER SLOTS, in RESP 2.
func parseView(host, nodes string, slots any) (*view, error) {
	v := &view{nodes: map[string]*seen{}}
	endpoints, err := parseEndpoints(host, slots)
	if err != nil {
		return nil, fmt.Errorf("reading the reply to CLUSTER SLOTS: %w", err)
	}
	style := styleOf(endpoints)
	for line := range strings.Lines(nodes) {
		id, n, myself, err := parseNode(host, strings.Fields(line), style)
		switch {
		case err != nil:
			return nil, fmt.Errorf("reading the reply to CLUSTER NODES: %w", err)
		case n == nil:
			continue
		case myself:
			v.self = id
		}
		if e, ok := endpoints[id]; ok && e.address != "" {
			n.address, n.guessed = e.address, false
		}
		v.nodes[id] = n
	}
	if v.self == "" {
		return nil, errors.New("the reply to CLUSTER NODES does not say who has written it")
	}
	return v, nil
}

// style is what nodes want to be called by.
type style int

const (
	byAddress style = iota
	byName          // the host name, where a node has one
	byHost          // the host at which the node is asked that tells of them
)

// endpoint is where CLUSTER SLOTS says that a node is.
type endpoint struct {
	address string // empty: it does not say so
	style   style
}

// parseEndpoints returns those of a reply to CLUSTER SLOTS, by id: an array of [first, last, node…], and of each node
// [endpoint, port, id, metadata…]. Servers before 4.0 give no id; what they say of addresses CLUSTER NODES has, too.
func parseEndpoints(host string, reply any) (map[string]endpoint, error) {
	const firstNode, idAt, metadataAt = 2, 2, 3
	ranges, ok := reply.([]any)
	if !ok {
		return nil, errors.New("it is no array")
	}
	all := map[string]endpoint{}
	for _, r := range ranges {
		fields, ok := r.([]any)
		if !ok || len(fields) < firstNode {
			return nil, errors.New("a range of slots is no array")
		}
		for _, n := range fields[firstNode:] {
			words, ok := n.([]any)
			if !ok || len(words) < idAt {
				return nil, errors.New("a node is no array")
			}
			if len(words) == idAt {
				continue
			}
			id, isText := words[idAt].(string)
			port, isNumber := words[1].(int64)
			if !isText || !isNumber {
				return nil, errors.New("a node has no port, or no id")
			}
			var metadata []any
			if len(words) > metadataAt {
				metadata, _ = words[metadataAt].([]any)
			}
			all[id] = endpointOf(host, words[0], port, metadata)
		}
	}
	return all, nil
}

// endpointOf returns where a node is. What has no endpoint is where the node is that says so; what should have a name and has none
// has an address in its metadata.
func endpointOf(host string, preferred any, port int64, metadata []any) endpoint {
	name, _ := preferred.(string)
	ip := ""
	for i := 0; i+1 < len(metadata); i += 2 {
		if metadata[i] == "ip" {
			ip, _ = metadata[i+1].(string)
		}
	}
	how := byAddress
	switch {
	case name == "":
		name, how = host, byHost
	case name == "?":
		name = ip
	case !isIP(name):
		how = byName
	}
	if name == "" || port < 1 || port > 0xffff {
		return endpoint{}
	}
	return endpoint{net.JoinHostPort(name, strconv.FormatInt(port, 10)), how}
}

func isIP(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil
}

// styleOf returns what nodes want to be called by, for those of which CLUSTER SLOTS does not tell.
func styleOf(all map[string]endpoint) style {
	most := byAddress
	for _, e := range all {
		most = max(most, e.style)
	}
	return most
}

// parseNode reads a line of CLUSTER NODES: id, ip:port@busport[,hostname[,…]], flags, primary's id or "-", ping, pong, epoch, link, and
// the slots. A node that is not yet, or no longer, a part of the cluster is nil.
func parseNode(host string, fields []string, how style) (id string, n *seen, myself bool, err error) {
	const (
		addressAt, flagsAt, primaryAt, epochAt, slotsAt = 1, 2, 3, 6, 8
		idBytes                                         = 40
	)
	if len(fields) < slotsAt || len(fields[0]) > idBytes {
		return "", nil, false, fmt.Errorf("the line %q", strings.Join(fields, " "))
	}
	flags := strings.Split(fields[flagsAt], ",")
	has := func(flag string) bool { return slices.Contains(flags, flag) }
	myself = has("myself")
	if has("handshake") || has("noaddr") && !myself {
		return fields[0], nil, false, nil
	}
	n = &seen{primary: has("master"), failed: has("fail")}
	if of := fields[primaryAt]; of != "-" && !n.primary {
		n.of = of
	}
	if n.epoch, err = strconv.ParseUint(fields[epochAt], 10, 64); err != nil {
		return "", nil, false, fmt.Errorf("the epoch %q", fields[epochAt])
	}
	n.address, n.guessed = parseNodeAddress(host, fields[addressAt], how)
	for _, text := range fields[slotsAt:] {
		if strings.HasPrefix(text, "[") { // a slot that is moving; it has its owner all the while
			continue
		}
		r, ok := parseRange(text)
		if !ok {
			return "", nil, false, fmt.Errorf("the slots %q", text)
		}
		n.slots = append(n.slots, r)
	}
	slices.SortFunc(n.slots, func(a, b link.HashRange) int { return int(a.First) - int(b.First) })
	return fields[0], n, myself, nil
}

// parseNodeAddress reads ip:port@busport[,hostname[,…]]. An IPv6 address has no brackets. A node that has not learnt its own address
// has none; it is asked at host.
func parseNodeAddress(host, text string, how style) (address string, guessed bool) {
	text, more, _ := strings.Cut(text, ",")
	name, _, _ := strings.Cut(more, ",")
	text, _, _ = strings.Cut(text, "@")
	colon := strings.LastIndexByte(text, ':')
	if colon < 0 {
		return "", false
	}
	ip, port := text[:colon], text[colon+1:]
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", false
	}
	switch {
	case how == byName && name != "" && !strings.Contains(name, "="): // else it is an attribute: shard-id=…
		return net.JoinHostPort(name, port), false
	case how == byHost:
		return net.JoinHostPort(host, port), false
	case ip == "":
		return net.JoinHostPort(host, port), true
	}
	return net.JoinHostPort(ip, port), false
}

// parseRange reads "7" or "0-5460".
func parseRange(text string) (r link.HashRange, ok bool) {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	from, err := strconv.ParseUint(first, 10, 16)
	to, err2 := strconv.ParseUint(last, 10, 16)
	if err != nil || err2 != nil || from > to || to >= link.HashSlots {
		return r, false
	}
	return link.HashRange{First: uint16(from), Last: uint16(to)}, true
}
