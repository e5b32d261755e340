// Gomemcache: text protocol, with gets and cas.
package main

import (
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/pinion-proxy/pinion/packaging/compat/clients/check"
)

func main() {
	check.Version("github.com/bradfitz/gomemcache")
	c := memcache.New(check.Address())
	if config := check.TLS(); config != nil {
		c.DialContext = (&tls.Dialer{Config: config}).DialContext
	}
	check.Do("connect", c.Ping)
	check.Do("set and get", func() error {
		if err := c.Set(&memcache.Item{Key: "k", Value: []byte("v"), Flags: 7}); err != nil {
			return err
		}
		item, err := c.Get("k")
		if err != nil {
			return err
		}
		return check.Equal("item", fmt.Sprintf("%s %d", item.Value, item.Flags), "v 7", nil)
	})
	check.Do("a miss", func() error {
		if _, err := c.Get("absent"); !errors.Is(err, memcache.ErrCacheMiss) {
			return fmt.Errorf("got %v", err)
		}
		return nil
	})
	check.Do("GetMulti", func() error {
		var keys []string
		for i := range 100 {
			key := fmt.Sprint("m", i)
			if err := c.Set(&memcache.Item{Key: key, Value: []byte(key)}); err != nil {
				return err
			}
			keys = append(keys, key)
		}
		items, err := c.GetMulti(keys)
		return check.Equal("items", len(items), 100, err)
	})
	check.Do("add and replace", func() error {
		if err := c.Add(&memcache.Item{Key: "k"}); !errors.Is(err, memcache.ErrNotStored) {
			return fmt.Errorf("Add: %v", err)
		}
		return c.Replace(&memcache.Item{Key: "k", Value: []byte("w")})
	})
	check.Do("append and prepend", func() error {
		if err := check.First(c.Append(&memcache.Item{Key: "k", Value: []byte(">")}), c.Prepend(&memcache.Item{Key: "k", Value: []byte("<")})); err != nil {
			return err
		}
		item, err := c.Get("k")
		if err != nil {
			return err
		}
		return check.Equal("item", string(item.Value), "<w>", nil)
	})
	check.Do("CompareAndSwap", func() error {
		item, err := c.Get("k")
		if err != nil {
			return err
		}
		if err := c.CompareAndSwap(item); err != nil {
			return err
		}
		if err := c.CompareAndSwap(item); !errors.Is(err, memcache.ErrCASConflict) {
			return fmt.Errorf("the second time: %v", err)
		}
		return nil
	})
	check.Do("increment and decrement", func() error {
		if err := c.Set(&memcache.Item{Key: "n", Value: []byte("10")}); err != nil {
			return err
		}
		if _, err := c.Increment("n", 5); err != nil {
			return err
		}
		n, err := c.Decrement("n", 1)
		return check.Equal("n", n, uint64(14), err)
	})
	check.Do("touch and GetAndTouch", func() error {
		if err := c.Touch("k", 100); err != nil {
			return err
		}
		_, err := c.GetAndTouch("k", 100)
		return err
	})
	check.Do("delete", func() error {
		if err := c.Delete("k"); err != nil {
			return err
		}
		if err := c.Delete("k"); !errors.Is(err, memcache.ErrCacheMiss) {
			return fmt.Errorf("the second time: %v", err)
		}
		return nil
	})
	check.Do("FlushAll", func() error {
		if err := c.FlushAll(); err != nil {
			return err
		}
		if _, err := c.Get("n"); !errors.Is(err, memcache.ErrCacheMiss) {
			return fmt.Errorf("after it: %v", err)
		}
		return nil
	})
	check.Do("close", c.Close)
	check.Done()
}
