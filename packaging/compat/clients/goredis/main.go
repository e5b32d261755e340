// Go-redis with its defaults, which are RESP 3.
package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/pinion-proxy/pinion/packaging/compat/clients/check"
	"github.com/redis/go-redis/v9"
)

var ctx = context.Background()

func main() {
	check.Version("github.com/redis/go-redis/v9")
	options := &redis.Options{Addr: check.Address(), TLSConfig: check.TLS()}
	if check.Variant() == "2" {
		options.Protocol = 2
	}
	c := redis.NewClient(options)

	check.Do("connect", func() error { return c.Ping(ctx).Err() })
	check.Do("set and get", func() error { return setAndGet(c) })
	check.Do("typed replies", func() error { return typed(c) })
	check.Do("pipeline", func() error { return pipeline(c) })
	check.Do("TxPipelined", func() error { return transaction(c) })
	check.Do("TxPipelined, an error inside", func() error { return transactionWithError(c) })
	check.Do("Watch", func() error { return watch(c) })
	check.Do("Watch, a conflict", func() error { return conflict(c) })
	check.Do("BLPop", func() error { return blockingPop(c) })
	check.Do("BLPop, timeout", func() error {
		if err := c.BLPop(ctx, time.Second, "nothing").Err(); !errors.Is(err, redis.Nil) {
			return fmt.Errorf("got %v, want redis.Nil", err)
		}
		return nil
	})
	check.Do("BLPop, several keys with one tag", func() error {
		c.RPush(ctx, "{bl}b", "x")
		got, err := c.BLPop(ctx, time.Second, "{bl}a", "{bl}b").Result()
		return check.Equal("BLPop", got, []string{"{bl}b", "x"}, err)
	})
	check.Do("Subscribe", func() error { return subscribe(c.Subscribe(ctx, "news"), c, "news") })
	check.Do("PSubscribe", func() error { return subscribe(c.PSubscribe(ctx, "ne*"), c, "news2") })
	check.Do("PubSubNumSub", func() error { return numSub(c) })
	check.Do("Script.Run", func() error {
		script := redis.NewScript(`return {KEYS[1], redis.call("INCRBY", KEYS[1], ARGV[1])}`)
		for _, want := range []int64{5, 10} {
			got, err := script.Run(ctx, c, []string{"scripted"}, 5).Slice()
			if err := check.Equal("Run", got, []any{"scripted", want}, err); err != nil {
				return err
			}
		}
		return nil
	})
	check.Do("Script.Load and EvalSha", func() error {
		script := redis.NewScript(`return redis.call("SET", KEYS[1], ARGV[1])`)
		if err := script.Load(ctx, c).Err(); err != nil {
			return err
		}
		exists, err := script.Exists(ctx, c).Result()
		if err := check.Equal("Exists", exists, []bool{true}, err); err != nil {
			return err
		}
		for i := range 20 { // on whichever server the key is
			if err := script.EvalSha(ctx, c, []string{fmt.Sprint("sha", i)}, "v").Err(); err != nil {
				return err
			}
		}
		return nil
	})
	check.Do("XReadGroup", func() error { return readGroup(c) })
	check.Do("XRead, blocked", func() error { return readBlocked(c) })
	check.Do("Scan", func() error { return scan(c) })
	check.Do("Keys and DBSize", func() error {
		keys, err := c.Keys(ctx, "scan:*").Result()
		if err := check.Equal("number of keys", len(keys), 500, err); err != nil {
			return err
		}
		n, err := c.DBSize(ctx).Result()
		if err == nil && n < 500 {
			err = fmt.Errorf("DBSize is %d", n)
		}
		return err
	})
	check.Do("Info", func() error {
		text, err := c.Info(ctx, "server").Result()
		if err == nil && !strings.Contains(text, "redis_version:") {
			err = fmt.Errorf("no redis_version in %q", text)
		}
		return err
	})
	check.Do("InfoMap", func() error {
		m := c.InfoMap(ctx)
		if m.Err() == nil && (m.Item("Server", "redis_version") == "" || m.Item("Clients", "connected_clients") == "") {
			return fmt.Errorf("lacks fields: %v", m.Val())
		}
		return m.Err()
	})
	check.Do("Command", func() error {
		all, err := c.Command(ctx).Result()
		if err == nil && (all["get"] == nil || !all["get"].ReadOnly || all["get"].FirstKeyPos != 1) {
			err = fmt.Errorf("GET is %+v", all["get"])
		}
		return err
	})
	check.Do("a name", func() error {
		conn := c.Conn()
		defer conn.Close()
		if err := conn.ClientSetName(ctx, "compat").Err(); err != nil {
			return err
		}
		name, err := conn.ClientGetName(ctx).Result()
		return check.Equal("name", name, "compat", err)
	})
	check.Do("ClientList", func() error {
		text, err := c.ClientList(ctx).Result()
		if err == nil && !strings.Contains(text, "cmd=client") {
			err = fmt.Errorf("not among %q", text)
		}
		return err
	})
	check.Do("ConfigGet", func() error {
		m, err := c.ConfigGet(ctx, "maxmemory").Result()
		return check.Equal("maxmemory", m["maxmemory"], "0", err)
	})
	check.Do("a database", func() error { return database(options) })
	check.Do("FlushDB", func() error {
		if err := c.FlushDB(ctx).Err(); err != nil {
			return err
		}
		n, err := c.DBSize(ctx).Result()
		return check.Equal("DBSize", n, int64(0), err)
	})
	check.Do("a hundred at once", func() error { return many(c) })
	check.Do("close", c.Close)
	check.Done()
}

func setAndGet(c *redis.Client) error {
	if err := c.Set(ctx, "k", "v", time.Minute).Err(); err != nil {
		return err
	}
	v, err := c.Get(ctx, "k").Result()
	if err := check.Equal("Get", v, "v", err); err != nil {
		return err
	}
	if err := c.Get(ctx, "absent").Err(); !errors.Is(err, redis.Nil) {
		return fmt.Errorf("Get of nothing: %v, want redis.Nil", err)
	}
	many, err := c.MGet(ctx, "k", "absent", "k").Result()
	return check.Equal("MGet", many, []any{"v", nil, "v"}, err)
}

func typed(c *redis.Client) error {
	c.HSet(ctx, "h", "a", 1, "b", 2)
	h, err := c.HGetAll(ctx, "h").Result()
	if err := check.Equal("HGetAll", h, map[string]string{"a": "1", "b": "2"}, err); err != nil {
		return err
	}
	c.ZAdd(ctx, "z", redis.Z{Score: 1.5, Member: "a"}, redis.Z{Score: 2, Member: "b"})
	z, err := c.ZRangeWithScores(ctx, "z", 0, -1).Result()
	if err := check.Equal("ZRangeWithScores", z, []redis.Z{{Score: 1.5, Member: "a"}, {Score: 2, Member: "b"}}, err); err != nil {
		return err
	}
	f, err := c.ZScore(ctx, "z", "a").Result()
	if err := check.Equal("ZScore", f, 1.5, err); err != nil {
		return err
	}
	c.SAdd(ctx, "s", "x")
	m, err := c.SMembersMap(ctx, "s").Result()
	return check.Equal("SMembersMap", m, map[string]struct{}{"x": {}}, err)
}

func pipeline(c *redis.Client) error {
	replies, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range 100 {
			p.Set(ctx, fmt.Sprint("p", i), i, 0)
			p.Get(ctx, fmt.Sprint("p", i))
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range 100 {
		if got := replies[2*i+1].(*redis.StringCmd).Val(); got != fmt.Sprint(i) {
			return fmt.Errorf("reply %d is %q", i, got)
		}
	}
	return nil
}

func transaction(c *redis.Client) error {
	var n *redis.IntCmd
	_, err := c.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.Set(ctx, "{tx}n", 41, 0)
		n = p.Incr(ctx, "{tx}n")
		p.Expire(ctx, "{tx}n", time.Hour)
		return nil
	})
	return check.Equal("Incr", n.Val(), int64(42), err)
}

func transactionWithError(c *redis.Client) error {
	var n *redis.IntCmd
	_, err := c.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.Set(ctx, "{tx}s", "text", 0)
		p.LPush(ctx, "{tx}s", "x")
		n = p.Incr(ctx, "{tx}i")
		return nil
	})
	if err == nil || !strings.HasPrefix(err.Error(), "WRONGTYPE") {
		return fmt.Errorf("got %v, want WRONGTYPE", err)
	}
	return check.Equal("Incr", n.Val(), int64(1), n.Err())
}

func watch(c *redis.Client) error {
	add := func(tx *redis.Tx) error {
		n, err := tx.Get(ctx, "watched").Int()
		if err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
		_, err = tx.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.Set(ctx, "watched", n+1, 0)
			return nil
		})
		return err
	}
	var all sync.WaitGroup
	var mutex sync.Mutex
	var failed error
	for range 5 {
		all.Go(func() {
			for range 10 {
				err := c.Watch(ctx, add, "watched")
				for errors.Is(err, redis.TxFailedErr) {
					err = c.Watch(ctx, add, "watched")
				}
				if err != nil {
					mutex.Lock()
					failed = err
					mutex.Unlock()
					return
				}
			}
		})
	}
	all.Wait()
	if failed != nil {
		return failed
	}
	n, err := c.Get(ctx, "watched").Int()
	return check.Equal("sum", n, 50, err)
}

func conflict(c *redis.Client) error {
	err := c.Watch(ctx, func(tx *redis.Tx) error {
		if err := c.Set(ctx, "conflict", "other", 0).Err(); err != nil {
			return err
		}
		_, err := tx.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.Set(ctx, "conflict", "mine", 0)
			return nil
		})
		return err
	}, "conflict")
	if !errors.Is(err, redis.TxFailedErr) {
		return fmt.Errorf("got %v, want %v", err, redis.TxFailedErr)
	}
	return nil
}

func blockingPop(c *redis.Client) error {
	pushed := make(chan error, 1)
	go func() {
		time.Sleep(200 * time.Millisecond)
		pushed <- c.RPush(ctx, "list", "pushed").Err()
	}()
	got, err := c.BLPop(ctx, 10*time.Second, "list").Result()
	return check.First(check.Equal("BLPop", got, []string{"list", "pushed"}, err), <-pushed)
}

func subscribe(sub *redis.PubSub, c *redis.Client, channel string) error {
	defer sub.Close()
	if _, err := sub.Receive(ctx); err != nil {
		return err
	}
	messages := sub.Channel()
	for i := range 10 {
		n, err := c.Publish(ctx, channel, fmt.Sprint("m", i)).Result()
		if err := check.Equal("receivers", n, int64(1), err); err != nil {
			return err
		}
	}
	for i := range 10 {
		m := <-messages
		if m.Channel != channel || m.Payload != fmt.Sprint("m", i) {
			return fmt.Errorf("message %d is %v", i, m)
		}
	}
	return sub.Ping(ctx)
}

func numSub(c *redis.Client) error {
	sub := c.Subscribe(ctx, "counted", "counted2")
	defer sub.Close()
	for range 2 {
		if _, err := sub.Receive(ctx); err != nil {
			return err
		}
	}
	n, err := c.PubSubNumSub(ctx, "counted", "counted2", "nobody").Result()
	return check.Equal("PubSubNumSub", n, map[string]int64{"counted": 1, "counted2": 1, "nobody": 0}, err)
}

func readGroup(c *redis.Client) error {
	if err := c.XGroupCreateMkStream(ctx, "stream", "group", "$").Err(); err != nil {
		return err
	}
	go func() {
		time.Sleep(200 * time.Millisecond)
		c.XAdd(ctx, &redis.XAddArgs{Stream: "stream", Values: []string{"f", "v"}})
	}()
	got, err := c.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "group", Consumer: "me", Streams: []string{"stream", ">"}, Block: 10 * time.Second}).Result()
	if err != nil {
		return err
	}
	if len(got) != 1 || len(got[0].Messages) != 1 || got[0].Messages[0].Values["f"] != "v" {
		return fmt.Errorf("got %v", got)
	}
	n, err := c.XAck(ctx, "stream", "group", got[0].Messages[0].ID).Result()
	if err := check.Equal("XAck", n, int64(1), err); err != nil {
		return err
	}
	info, err := c.XInfoStream(ctx, "stream").Result()
	if err != nil {
		return err
	}
	return check.Equal("groups", info.Groups, int64(1), nil)
}

func readBlocked(c *redis.Client) error {
	err := c.XRead(ctx, &redis.XReadArgs{Streams: []string{"stream", "$"}, Block: 300 * time.Millisecond}).Err()
	if !errors.Is(err, redis.Nil) {
		return fmt.Errorf("got %v, want redis.Nil", err)
	}
	return nil
}

func scan(c *redis.Client) error {
	for i := range 500 {
		if err := c.Set(ctx, fmt.Sprint("scan:", i), i, 0).Err(); err != nil {
			return err
		}
	}
	seen := map[string]bool{}
	iter := c.Scan(ctx, 0, "scan:*", 50).Iterator()
	for iter.Next(ctx) {
		seen[iter.Val()] = true
	}
	return check.Equal("keys seen", len(seen), 500, iter.Err())
}

func database(options *redis.Options) error {
	in := *options
	in.DB = 3
	c := redis.NewClient(&in)
	defer c.Close()
	if err := c.Set(ctx, "in three", "v", 0).Err(); err != nil {
		return err
	}
	n, err := c.DBSize(ctx).Result()
	return check.Equal("DBSize", n, int64(1), err)
}

func many(c *redis.Client) error {
	var all sync.WaitGroup
	errs := make(chan error, 100)
	for i := range 100 {
		all.Go(func() {
			key := fmt.Sprint("many", i)
			for j := range 20 {
				if err := c.Set(ctx, key, j, 0).Err(); err != nil {
					errs <- err
					return
				}
				if got, err := c.Get(ctx, key).Int(); err != nil || got != j {
					errs <- fmt.Errorf("%s is %d (%v), want %d", key, got, err, j)
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
}
