// The statistics of several servers as those of one: which add up, and what becomes of the others.

package memcache

import (
	"bytes"
	"math"
	"strconv"
	"strings"
)

// summed are the statistics that add up: counters of events, and amounts of things that each server has of its own.
var summed = strings.Fields(`
	max_connections curr_connections total_connections rejected_connections connection_structures reserved_fds
	response_obj_oom response_obj_count response_obj_bytes
	read_buf_count read_buf_bytes read_buf_bytes_free read_buf_oom
	cmd_get cmd_set cmd_flush cmd_touch cmd_meta
	get_hits get_misses get_expired get_flushed get_extstore get_aborted_extstore get_oom_extstore
	recache_from_extstore miss_from_extstore badcrc_from_extstore
	delete_misses delete_hits incr_misses incr_hits decr_misses decr_hits
	cas_misses cas_hits cas_badval touch_hits touch_misses
	store_too_large store_no_memory auth_cmds auth_errors idle_kicks
	bytes_read bytes_written limit_maxbytes
	listen_disabled_num time_in_listen_disabled_us threads conn_yields hash_bytes
	slab_reassign_rescues slab_reassign_chunk_rescues slab_reassign_evictions_nomem slab_reassign_inline_reclaim
	slab_reassign_busy_items slab_reassign_busy_deletes slabs_moved slab_global_page_pool
	lru_crawler_starts lru_maintainer_juggles malloc_fails
	log_worker_dropped log_worker_written log_watcher_skipped log_watcher_sent log_watchers
	unexpected_napi_ids round_robin_fallback
	bytes curr_items total_items
	expired_unfetched evicted_unfetched evicted_active evictions reclaimed
	crawler_reclaimed crawler_items_checked lrutail_reflocked
	moves_to_cold moves_to_warm moves_within_lru direct_reclaims lru_bumps_dropped
	extstore_compact_lost extstore_compact_rescues extstore_compact_skipped
	extstore_page_allocs extstore_page_evictions extstore_page_reclaims extstore_pages_free extstore_pages_used
	extstore_objects_evicted extstore_objects_read extstore_objects_written extstore_objects_used
	extstore_bytes_evicted extstore_bytes_written extstore_bytes_read extstore_bytes_used extstore_bytes_fragmented
	extstore_limit_maxbytes extstore_io_queue`)

// lowest are those of which the least says most: how long all have been up, and whether all accept connections.
var lowest = []string{"uptime", "accepting_conns"}

// statColumn numbers the names in summed and, after them, in lowest. All others (pid, time, version, rusage_user and
// what newer servers may add) are given as the first server has them.
var statColumn = func() map[string]int {
	columns := make(map[string]int, len(summed)+len(lowest))
	for _, name := range summed {
		columns[name] = len(columns)
	}
	for _, name := range lowest {
		columns[name] = len(columns)
	}
	return columns
}()

// mergeStats gives the statistics of the first server, in its order, with the columns above taken over all servers.
func mergeStats(dst, _ []byte, _ []Span, _ []int32, replies [][]byte) []byte {
	if len(replies) == 0 {
		return append(dst, InvalidArgument...)
	}
	start, totals, rest := len(dst), statTotals(replies), replies[0]
	for name, value, next := frontStat(rest); name != nil; name, value, next = frontStat(rest) {
		dst = append(dst, "STAT "...)
		dst = append(dst, name...)
		dst = append(dst, ' ')
		if column, ok := statColumn[string(name)]; ok {
			dst = strconv.AppendUint(dst, totals[column], 10)
		} else {
			dst = append(dst, value...)
		}
		dst = append(dst, crlf...)
		rest = next
	}
	if string(rest) != EndLine {
		return append(dst[:start], InvalidArgument...)
	}
	return append(dst, EndLine...)
}

// statTotals returns the value of each column over all replies.
func statTotals(replies [][]byte) []uint64 {
	totals := make([]uint64, len(statColumn))
	for column := len(summed); column < len(totals); column++ {
		totals[column] = math.MaxUint64
	}
	for _, reply := range replies {
		for name, value, rest := frontStat(reply); name != nil; name, value, rest = frontStat(rest) {
			column, ok := statColumn[string(name)]
			v, negative, number := parseNumber(value)
			switch {
			case !ok || !number || negative:
			case column < len(summed):
				totals[column] += v
			default:
				totals[column] = min(totals[column], v)
			}
		}
	}
	return totals
}

// frontStat splits off the line "STAT <name> <value>" at the front of reply; name is nil if there is none.
func frontStat(reply []byte) (name, value, rest []byte) {
	text, rest, found := bytes.Cut(reply, []byte(crlf))
	if !found || !bytes.HasPrefix(text, []byte("STAT ")) {
		return nil, nil, reply
	}
	name, value, _ = bytes.Cut(text[len("STAT "):], []byte(" "))
	return name, value, rest
}
