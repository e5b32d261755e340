// Transactions: word for word what a Redis says, with the clients that people have, while others ask and workers change.

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// A pool of one server and one of three say what a Redis would.
func TestE2ETransactionsLikeRedis(t *testing.T) {
	t.Parallel()
	blocks := rig.ReadTable(t, "transactions.txt", rig.EncodeConversation)
	one := rig.Several(1, func() *rig.Backend { return rig.RedisServer(t) })
	compareLines(t, rig.RedisServer(t), rig.RedisPool(t, one), blocks, same)
	compareLines(t, rig.RedisServer(t), rig.RedisPool(t, rig.ThreeRedis(t), `hash_tag: "{}"`), blocks, same)
}

// Clients with transactions, clients without, and clients that leave theirs open, over one connection to each server: nobody
// gets into another one's transaction.
func TestE2ETransactionsAmongOthers(t *testing.T) {
	t.Parallel()
	p := rig.RedisPool(t, rig.ThreeRedis(t), `hash_tag: "{}"`)
	ctx := context.Background()
	db := redis.NewClient(&redis.Options{Addr: p.Address})
	defer db.Close()
	for range 20 {
		open := p.Dial()
		open.WantDo("+OK\r\n", "MULTI")
		open.WantDo("+QUEUED\r\n", "SET", "{0}a", "never")
	}
	const rounds = 100
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			a, b := fmt.Sprintf("{%d}a", i%4), fmt.Sprintf("{%d}b", i%4)
			for range rounds {
				var first, second *redis.IntCmd
				_, err := db.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
					first, second = pipe.Incr(ctx, a), pipe.Incr(ctx, b)
					return nil
				})
				if err != nil || first.Val() != second.Val() {
					t.Errorf("%s is %d and %s %d: %v", a, first.Val(), b, second.Val(), err)
				}
			}
		})
		all.Go(func() {
			for n := range rounds {
				key := fmt.Sprintf("alone:%d", i)
				if got, err := db.Incr(ctx, key).Result(); got != int64(n+1) || err != nil {
					t.Errorf("%s is %d, %v, want %d", key, got, err, n+1)
				}
			}
		})
	}
	all.Wait()
	_, err := db.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		for i := range 20 {
			pipe.Incr(ctx, fmt.Sprintf("several:%d", i))
		}
		return nil
	})
	if !strings.Contains(fmt.Sprint(err), "CROSSSHARD") && !strings.Contains(fmt.Sprint(err), "EXECABORT") {
		t.Errorf("a transaction over several servers: %v", err)
	}
	for i := range 20 {
		if err := db.Get(ctx, fmt.Sprintf("several:%d", i)).Err(); !errors.Is(err, redis.Nil) {
			t.Errorf("a part of a refused transaction was executed: %v", err)
		}
	}
}

// Workers change between any two requests of a transaction, and the client does not notice.
func TestE2EReloadInTransaction(t *testing.T) {
	t.Parallel()
	address := rig.FreeAddress(t)
	server := rig.RedisServerTCP(t, rig.FreeAddress(t))
	o := operate(t, rig.Yaml(rig.Pool{Name: "pool", Listen: address, Options: []string{"redis: true"}, Servers: rig.Lines([]*rig.Backend{server})}), address)
	c, bad := o.Dial(), o.Dial()
	bad.WantDo("+OK\r\n", "MULTI")
	bad.WantDo("-ERR wrong number of arguments for 'set' command\r\n", "SET", "k")
	c.WantDo("+OK\r\n", "MULTI")
	o.reloads(t, "")
	large := strings.Repeat("v", 300_000)
	c.WantDo("+QUEUED\r\n", "SET", "k", large)
	o.reloads(t, "")
	c.WantDo("+QUEUED\r\n", "STRLEN", "k")
	bad.WantDo("+QUEUED\r\n", "GET", "k")
	o.reloads(t, "")
	c.WantDo("*2\r\n+OK\r\n:300000\r\n", "EXEC")
	bad.WantDo("-EXECABORT Transaction discarded because of previous errors.\r\n", "EXEC")
	c.WantDo(":300000\r\n", "STRLEN", "k")
}

// Clients that count by watching what they count count right, whoever else counts.
func TestE2EWatch(t *testing.T) {
	t.Parallel()
	p := rig.RedisPool(t, rig.ThreeRedis(t), `hash_tag: "{}"`)
	ctx := context.Background()
	db := redis.NewClient(&redis.Options{Addr: p.Address})
	defer db.Close()
	const clients, rounds = 6, 20
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for done := 0; done < rounds; {
				err := db.Watch(ctx, func(tx *redis.Tx) error {
					n, err := tx.Get(ctx, "{c}ounter").Int()
					if err != nil && !errors.Is(err, redis.Nil) {
						return err
					}
					_, err = tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
						pipe.Set(ctx, "{c}ounter", n+1, 0)
						return nil
					})
					return err
				}, "{c}ounter")
				switch {
				case err == nil:
					done++
				case !errors.Is(err, redis.TxFailedErr):
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if n, err := db.Get(ctx, "{c}ounter").Int(); n != clients*rounds || err != nil {
		t.Errorf("counted %d, %v, want %d", n, err, clients*rounds)
	}
	var several []string
	for i := range 20 {
		several = append(several, fmt.Sprintf("several:%d", i))
	}
	if err := db.Watch(ctx, func(*redis.Tx) error { return nil }, several...); !strings.Contains(fmt.Sprint(err), "CROSSSHARD") {
		t.Errorf("keys of several servers: %v", err)
	}
}

// Workers change while keys are watched. What was changed meanwhile is noticed, and what was not is not.
func TestE2EReloadWhileWatching(t *testing.T) {
	t.Parallel()
	address := rig.FreeAddress(t)
	server := rig.RedisServerTCP(t, rig.FreeAddress(t))
	config := func(options ...string) string {
		return rig.Yaml(rig.Pool{Name: "pool", Listen: address, Options: append(options, "redis: true"), Servers: rig.Lines([]*rig.Backend{server})})
	}
	o := operate(t, config(), address)
	same, changed, elsewhere, other := o.Dial(), o.Dial(), o.Dial(), o.Dial()
	for _, c := range []*rig.Client{same, changed, elsewhere} {
		c.WantDo("+OK\r\n", "WATCH", "a", "b")
	}
	same.WantDo("+OK\r\n", "MULTI")
	o.reloads(t, "")
	other.WantDo("+OK\r\n", "SET", "c", "1")
	same.WantDo("+QUEUED\r\n", "SET", "a", "same")
	same.WantDo("*1\r\n+OK\r\n", "EXEC")
	o.reloads(t, "")
	changed.WantDo("+OK\r\n", "MULTI")
	changed.WantDo("+QUEUED\r\n", "SET", "a", "changed")
	changed.WantDo("*-1\r\n", "EXEC")
	changed.WantDo("+OK\r\n", "WATCH", "a")
	elsewhere.WantDo("+OK\r\n", "UNWATCH")
	elsewhere.WantDo("+OK\r\n", "WATCH", "a")
	o.configure(t, config("hash: md5")) // by which keys may live elsewhere
	o.reloads(t, "")
	for _, c := range []*rig.Client{changed, elsewhere} {
		c.WantDo("+OK\r\n", "MULTI")
		c.WantDo("+QUEUED\r\n", "SET", "a", "elsewhere")
		c.WantDo("*-1\r\n", "EXEC")
	}
	other.WantDo("$4\r\nsame\r\n", "GET", "a")
}
