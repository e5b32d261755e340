// Redigo: a pool of connections, and connections of one's own.
package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/pinion-proxy/pinion/packaging/compat/clients/check"
)

func main() {
	check.Version("github.com/gomodule/redigo")
	address, scheme := check.Address(), "redis"
	if check.TLS() != nil {
		scheme = "rediss"
	}
	pool := &redis.Pool{
		MaxIdle:      3,
		Dial:         func() (redis.Conn, error) { return dial(address) },
		TestOnBorrow: func(c redis.Conn, _ time.Time) error { _, err := c.Do("PING"); return err },
	}
	with := func(name string, f func(c redis.Conn) error) {
		check.Do(name, func() error {
			c := pool.Get()
			defer c.Close()
			return f(c)
		})
	}
	with("connect", func(c redis.Conn) error {
		pong, err := redis.String(c.Do("PING"))
		return check.Equal("PING", pong, "PONG", err)
	})
	with("set and get", func(c redis.Conn) error {
		if _, err := c.Do("SET", "k", "v"); err != nil {
			return err
		}
		v, err := redis.String(c.Do("GET", "k"))
		if err := check.Equal("GET", v, "v", err); err != nil {
			return err
		}
		if _, err := redis.String(c.Do("GET", "absent")); !errors.Is(err, redis.ErrNil) {
			return fmt.Errorf("GET of nothing: %v", err)
		}
		return nil
	})
	with("Send, Flush, Receive", func(c redis.Conn) error {
		for i := range 50 {
			if err := c.Send("SET", fmt.Sprint("p", i), i); err != nil {
				return err
			}
		}
		if err := c.Flush(); err != nil {
			return err
		}
		for range 50 {
			ok, err := redis.String(c.Receive())
			if err := check.Equal("SET", ok, "OK", err); err != nil {
				return err
			}
		}
		return nil
	})
	with("MULTI", func(c redis.Conn) error {
		c.Send("MULTI")
		c.Send("INCR", "{m}a")
		c.Send("INCRBY", "{m}b", 5)
		got, err := redis.Ints(c.Do("EXEC"))
		return check.Equal("EXEC", got, []int{1, 5}, err)
	})
	with("DISCARD", func(c redis.Conn) error {
		c.Send("MULTI")
		c.Send("INCR", "{m}a")
		if _, err := c.Do("DISCARD"); err != nil {
			return err
		}
		n, err := redis.Int(c.Do("GET", "{m}a"))
		return check.Equal("GET", n, 1, err)
	})
	with("WATCH", func(c redis.Conn) error {
		if _, err := c.Do("WATCH", "w"); err != nil {
			return err
		}
		other := pool.Get()
		defer other.Close()
		if _, err := other.Do("SET", "w", "other"); err != nil {
			return err
		}
		c.Send("MULTI")
		c.Send("SET", "w", "mine")
		reply, err := c.Do("EXEC")
		return check.Equal("EXEC", reply, nil, err)
	})
	with("WATCH left behind", func(c redis.Conn) error { // the pool sends UNWATCH for it
		_, err := c.Do("WATCH", "w")
		return err
	})
	with("BLPOP", func(c redis.Conn) error {
		go func() {
			time.Sleep(200 * time.Millisecond)
			other := pool.Get()
			defer other.Close()
			other.Do("RPUSH", "list", "x")
		}()
		got, err := redis.Strings(c.Do("BLPOP", "list", 10))
		return check.Equal("BLPOP", got, []string{"list", "x"}, err)
	})
	with("PubSubConn", func(c redis.Conn) error { return subscribe(c, pool) })
	with("Script", func(c redis.Conn) error {
		script := redis.NewScript(1, `return redis.call("INCR", KEYS[1])`)
		for want := range 2 {
			n, err := redis.Int(script.Do(c, "scripted"))
			if err := check.Equal("Do", n, want+1, err); err != nil {
				return err
			}
		}
		return nil
	})
	with("Script.Load and SendHash", func(c redis.Conn) error {
		script := redis.NewScript(1, `return redis.call("INCRBY", KEYS[1], 2)`)
		if err := script.Load(c); err != nil {
			return err
		}
		if err := script.SendHash(c, "hashed"); err != nil {
			return err
		}
		if err := c.Flush(); err != nil {
			return err
		}
		n, err := redis.Int(c.Receive())
		return check.Equal("SendHash", n, 2, err)
	})
	with("SCAN", func(c redis.Conn) error {
		cursor, seen := 0, map[string]bool{}
		for first := true; first || cursor != 0; first = false {
			values, err := redis.Values(c.Do("SCAN", cursor, "MATCH", "p*"))
			if err != nil {
				return err
			}
			var keys []string
			if _, err := redis.Scan(values, &cursor, &keys); err != nil {
				return err
			}
			for _, k := range keys {
				seen[k] = true
			}
		}
		return check.Equal("keys", len(seen), 50, nil)
	})
	check.Do("DialDatabase 0", func() error { return database(address, 0) })
	check.Do("DialDatabase 2", func() error { return database(address, 2) })
	check.Do("DialURL", func() error {
		c, err := redis.DialURL(scheme+"://"+address+"/0", redis.DialTLSConfig(check.TLS()))
		if err != nil {
			return err
		}
		_, err = c.Do("PING")
		return check.First(err, c.Close())
	})
	check.Do("close", pool.Close)
	check.Done()
}

func subscribe(c redis.Conn, pool *redis.Pool) error {
	sub := redis.PubSubConn{Conn: c}
	if err := sub.Subscribe("news"); err != nil {
		return err
	}
	if err := sub.PSubscribe("n*"); err != nil {
		return err
	}
	got := map[string]int{}
	for range 2 {
		if err, failed := sub.Receive().(error); failed {
			return err
		}
	}
	other := pool.Get()
	defer other.Close()
	if _, err := other.Do("PUBLISH", "news", "m"); err != nil {
		return err
	}
	if err := sub.Ping("here"); err != nil {
		return err
	}
	for range 3 {
		switch m := sub.Receive().(type) {
		case redis.Message:
			got["message"+m.Pattern]++
		case redis.Pong:
			got["pong "+m.Data]++
		case error:
			return m
		}
	}
	if err := sub.Unsubscribe(); err != nil {
		return err
	}
	if err := sub.PUnsubscribe(); err != nil {
		return err
	}
	for range 2 {
		if err, failed := sub.Receive().(error); failed {
			return err
		}
	}
	return check.Equal("received", got, map[string]int{"message": 1, "messagen*": 1, "pong here": 1}, nil)
}

func dial(address string, options ...redis.DialOption) (redis.Conn, error) {
	config := check.TLS()
	return redis.Dial("tcp", address, append(options, redis.DialUseTLS(config != nil), redis.DialTLSConfig(config))...)
}

func database(address string, n int) error {
	c, err := dial(address, redis.DialDatabase(n))
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Do("SET", "in a database", n)
	return err
}
