// What counters of workers say that is worth telling while it is news.

package master

import "time"

// poolNews is what is known of a pool. Loop only.
type poolNews struct {
	memoryClosed memoryClosed
	handshakes   failingHandshakes
}

// noteNews looks at the counters of the generation that serves.
func (m *master) noteNews(now time.Time) {
	g := m.generations.serving
	if g == nil || g.counters == nil {
		return
	}
	if g.news == nil { // of workers that an earlier master has started, what they have counted is no news
		g.news = make([]poolNews, len(g.pools))
		for i := range g.news {
			g.news[i].memoryClosed.counted = g.closedForMemory(i)
			g.news[i].handshakes.counted = g.countedHandshakes(i)
		}
	}
	for i := range g.news {
		g.news[i].memoryClosed.note(g.closedForMemory(i), now)
		g.news[i].handshakes.note(g.countedHandshakes(i), now)
	}
}
