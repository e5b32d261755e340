// Rueidis with its defaults: RESP 3, pipelining on one connection, and reads that are cached in the client.
package main

//go:generate sh generate.sh

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/pinion-proxy/pinion/packaging/compat/clients/check"
	"github.com/redis/rueidis"
)

var ctx = context.Background()

func main() {
	check.Version("github.com/redis/rueidis")
	var c rueidis.Client
	check.Do("connect", func() (err error) {
		c, err = rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{check.Address()}, TLSConfig: check.TLS()})
		if err != nil {
			return err
		}
		return c.Do(ctx, c.B().Ping().Build()).Error()
	})
	if c == nil { // without the cache of the client, to learn what else there is
		check.Do("connect without a cache", func() (err error) {
			c, err = rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{check.Address()}, TLSConfig: check.TLS(), DisableCache: true})
			return err
		})
	}
	if c != nil {
		checks(c)
	}
	check.Done()
}

func checks(c rueidis.Client) {
	set := func(key, value string) error { return c.Do(ctx, c.B().Set().Key(key).Value(value).Build()).Error() }
	check.Do("set and get", func() error {
		if err := set("k", "v"); err != nil {
			return err
		}
		v, err := c.Do(ctx, c.B().Get().Key("k").Build()).ToString()
		if err := check.Equal("GET", v, "v", err); err != nil {
			return err
		}
		if err := c.Do(ctx, c.B().Get().Key("absent").Build()).Error(); !rueidis.IsRedisNil(err) {
			return fmt.Errorf("GET of nothing: %v", err)
		}
		return nil
	})
	check.Do("typed replies", func() error {
		if err := c.Do(ctx, c.B().Hset().Key("h").FieldValue().FieldValue("a", "1").Build()).Error(); err != nil {
			return err
		}
		h, err := c.Do(ctx, c.B().Hgetall().Key("h").Build()).AsStrMap()
		if err := check.Equal("HGETALL", h, map[string]string{"a": "1"}, err); err != nil {
			return err
		}
		if err := c.Do(ctx, c.B().Zadd().Key("z").ScoreMember().ScoreMember(1.5, "m").Build()).Error(); err != nil {
			return err
		}
		f, err := c.Do(ctx, c.B().Zscore().Key("z").Member("m").Build()).AsFloat64()
		return check.Equal("ZSCORE", f, 1.5, err)
	})
	check.Do("DoMulti", func() error {
		var commands rueidis.Commands
		for i := range 100 {
			commands = append(commands, c.B().Set().Key(fmt.Sprint("p", i)).Value(strconv.Itoa(i)).Build(), c.B().Get().Key(fmt.Sprint("p", i)).Build())
		}
		for i, reply := range c.DoMulti(ctx, commands...) {
			if err := reply.Error(); err != nil {
				return err
			}
			if n, err := reply.AsInt64(); i%2 == 1 && (err != nil || n != int64(i/2)) {
				return fmt.Errorf("reply %d is %v, %v", i, n, err)
			}
		}
		return nil
	})
	check.Do("DoCache", func() error {
		if err := set("cached", "1"); err != nil {
			return err
		}
		first := c.DoCache(ctx, c.B().Get().Key("cached").Cache(), time.Minute)
		v, err := first.ToString()
		if err := check.Equal("first", v, "1", err); err != nil {
			return err
		}
		second := c.DoCache(ctx, c.B().Get().Key("cached").Cache(), time.Minute)
		v, err = second.ToString()
		return check.First(check.Equal("second", v, "1", err), check.Equal("a hit", second.IsCacheHit(), true, nil))
	})
	check.Do("DoCache, invalidated", func() error {
		if err := set("cached", "2"); err != nil {
			return err
		}
		var v string
		var err error
		for range 200 {
			if v, err = c.DoCache(ctx, c.B().Get().Key("cached").Cache(), time.Minute).ToString(); err != nil || v == "2" {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		return check.Equal("at last", v, "2", err)
	})
	check.Do("DoMultiCache, many keys", func() error {
		var reads []rueidis.CacheableTTL
		for i := range 100 {
			reads = append(reads, rueidis.CT(c.B().Get().Key(fmt.Sprint("p", i)).Cache(), time.Minute))
		}
		for i, reply := range c.DoMultiCache(ctx, reads...) {
			n, err := reply.AsInt64()
			if err := check.Equal("read", n, int64(i), err); err != nil {
				return err
			}
		}
		return nil
	})
	check.Do("MGetCache", func() error {
		got, err := rueidis.MGetCache(c, ctx, time.Minute, []string{"p1", "p2", "p3", "absent"})
		if err != nil {
			return err
		}
		m := got["p2"]
		v, err := m.ToString()
		return check.Equal("p2", v, "2", err)
	})
	check.Do("Dedicated, WATCH", func() error {
		return c.Dedicated(func(d rueidis.DedicatedClient) error {
			if err := d.Do(ctx, d.B().Watch().Key("{w}a").Build()).Error(); err != nil {
				return err
			}
			replies := d.DoMulti(ctx, d.B().Multi().Build(), d.B().Incr().Key("{w}a").Build(), d.B().Incr().Key("{w}b").Build(), d.B().Exec().Build())
			got, err := replies[3].AsIntSlice()
			return check.Equal("EXEC", got, []int64{1, 1}, err)
		})
	})
	check.Do("Dedicated, WATCH with a conflict", func() error {
		return c.Dedicated(func(d rueidis.DedicatedClient) error {
			if err := d.Do(ctx, d.B().Watch().Key("{w}a").Build()).Error(); err != nil {
				return err
			}
			if err := set("{w}a", "7"); err != nil {
				return err
			}
			replies := d.DoMulti(ctx, d.B().Multi().Build(), d.B().Incr().Key("{w}a").Build(), d.B().Exec().Build())
			if err := replies[2].Error(); !rueidis.IsRedisNil(err) {
				return fmt.Errorf("EXEC: %v", err)
			}
			return nil
		})
	})
	check.Do("BLPOP", func() error {
		go func() {
			time.Sleep(200 * time.Millisecond)
			c.Do(ctx, c.B().Rpush().Key("list").Element("x").Build())
		}()
		got, err := c.Do(ctx, c.B().Blpop().Key("list").Timeout(10).Build()).AsStrSlice()
		return check.Equal("BLPOP", got, []string{"list", "x"}, err)
	})
	check.Do("Receive", func() error { return receive(c, c.B().Subscribe().Channel("news").Build()) })
	check.Do("Receive, a pattern", func() error { return receive(c, c.B().Psubscribe().Pattern("new*").Build()) })
	check.Do("NewLuaScript", func() error {
		script := rueidis.NewLuaScript(`return redis.call("INCRBY", KEYS[1], ARGV[1])`)
		for _, want := range []int64{5, 10} {
			n, err := script.Exec(ctx, c, []string{"scripted"}, []string{"5"}).AsInt64()
			if err := check.Equal("Exec", n, want, err); err != nil {
				return err
			}
		}
		return nil
	})
	check.Do("NewLuaScript, many keys", func() error {
		script := rueidis.NewLuaScript(`return redis.call("INCRBY", KEYS[1], ARGV[1])`)
		var calls []rueidis.LuaExec
		for i := range 20 {
			calls = append(calls, rueidis.LuaExec{Keys: []string{fmt.Sprint("s", i)}, Args: []string{"3"}})
		}
		for _, reply := range script.ExecMulti(ctx, c, calls...) {
			n, err := reply.AsInt64()
			if err := check.Equal("ExecMulti", n, int64(3), err); err != nil {
				return err
			}
		}
		return nil
	})
	check.Do("SCAN", func() error {
		seen := map[string]bool{}
		for cursor, first := uint64(0), true; first || cursor != 0; first = false {
			entry, err := c.Do(ctx, c.B().Scan().Cursor(cursor).Match("p*").Count(20).Build()).AsScanEntry()
			if err != nil {
				return err
			}
			cursor = entry.Cursor
			for _, key := range entry.Elements {
				seen[key] = true
			}
		}
		return check.Equal("keys", len(seen), 100, nil)
	})
	check.Do("INFO", func() error {
		_, err := c.Do(ctx, c.B().Info().Build()).ToString()
		return err
	})
	check.Do("XREADGROUP", func() error {
		if err := c.Do(ctx, c.B().XgroupCreate().Key("stream").Group("g").Id("$").Mkstream().Build()).Error(); err != nil {
			return err
		}
		if err := c.Do(ctx, c.B().Xadd().Key("stream").Id("*").FieldValue().FieldValue("f", "v").Build()).Error(); err != nil {
			return err
		}
		got, err := c.Do(ctx, c.B().Xreadgroup().Group("g", "me").Block(1000).Streams().Key("stream").Id(">").Build()).AsXRead()
		return check.Equal("entries", len(got["stream"]), 1, err)
	})
	check.Do("a hundred at once", func() error {
		var all sync.WaitGroup
		errs := make(chan error, 100)
		for i := range 100 {
			all.Go(func() {
				key := fmt.Sprint("many", i)
				for j := range 20 {
					if err := set(key, strconv.Itoa(j)); err != nil {
						errs <- err
						return
					}
					if n, err := c.Do(ctx, c.B().Get().Key(key).Build()).AsInt64(); err != nil || n != int64(j) {
						errs <- fmt.Errorf("%s is %d, %v", key, n, err)
						return
					}
				}
			})
		}
		all.Wait()
		select {
		case err := <-errs:
			return err
		default:
			return nil
		}
	})
	check.Do("a database", func() error {
		in, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{check.Address()}, TLSConfig: check.TLS(), SelectDB: 2, ForceSingleClient: true})
		if err != nil {
			return err
		}
		defer in.Close()
		return in.Do(ctx, in.B().Set().Key("in two").Value("v").Build()).Error()
	})
	check.Do("close", func() error { c.Close(); return nil })
}

func receive(c rueidis.Client, subscribe rueidis.Completed) error {
	until, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var got []string
	publish := time.AfterFunc(300*time.Millisecond, func() {
		for i := range 5 {
			c.Do(ctx, c.B().Publish().Channel("news").Message(strconv.Itoa(i)).Build())
		}
	})
	defer publish.Stop()
	err := c.Receive(until, subscribe, func(m rueidis.PubSubMessage) {
		if got = append(got, m.Message); len(got) == 5 {
			cancel()
		}
	})
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return check.Equal("messages", got, []string{"0", "1", "2", "3", "4"}, err)
}
