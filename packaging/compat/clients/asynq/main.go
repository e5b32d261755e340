// Asynq: enqueue tasks, have a server work on them, look at queues.
package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/pinion-proxy/pinion/packaging/compat/clients/check"
)

func main() {
	check.Version("github.com/hibiken/asynq")
	at := asynq.RedisClientOpt{Addr: check.Address(), TLSConfig: check.TLS()}
	client := asynq.NewClient(at)
	inspector := asynq.NewInspector(at)
	server := asynq.NewServer(at, asynq.Config{Concurrency: 2, LogLevel: asynq.ErrorLevel, ShutdownTimeout: time.Second,
		RetryDelayFunc: func(int, error, *asynq.Task) time.Duration { return time.Second }})
	var done, failures atomic.Int32
	worked := make(chan string, 100)
	mux := asynq.NewServeMux()
	mux.HandleFunc("work", func(_ context.Context, t *asynq.Task) error {
		done.Add(1)
		worked <- string(t.Payload())
		if _, err := t.ResultWriter().Write([]byte("result")); err != nil {
			return err
		}
		return nil
	})
	mux.HandleFunc("fail once", func(_ context.Context, t *asynq.Task) error {
		if failures.Add(1) == 1 {
			return errors.New("as intended")
		}
		worked <- string(t.Payload())
		return nil
	})
	waitFor := func(want string) error {
		select {
		case got := <-worked:
			return check.Equal("task", got, want, nil)
		case <-time.After(15 * time.Second):
			return fmt.Errorf("nothing is worked on")
		}
	}
	check.Do("connect", client.Ping)
	check.Do("enqueue", func() error {
		_, err := client.Enqueue(asynq.NewTask("work", []byte("one")), asynq.Retention(time.Minute), asynq.TaskID("the first"))
		return err
	})
	check.Do("a task id is unique", func() error {
		_, err := client.Enqueue(asynq.NewTask("work", nil), asynq.TaskID("the first"))
		if !errors.Is(err, asynq.ErrTaskIDConflict) {
			return fmt.Errorf("got %v", err)
		}
		return nil
	})
	check.Do("inspect the queue", func() error {
		info, err := inspector.GetQueueInfo("default")
		if err != nil {
			return err
		}
		return check.Equal("pending", info.Pending, 1, nil)
	})
	check.Do("start a server", func() error { return server.Start(mux) })
	check.Do("a task is done", func() error { return waitFor("one") })
	check.Do("its result is kept", func() error {
		deadline := time.Now().Add(10 * time.Second)
		for {
			info, err := inspector.GetTaskInfo("default", "the first")
			if err == nil && string(info.Result) == "result" && info.State == asynq.TaskStateCompleted {
				return nil
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("it is %+v, %v", info, err)
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	check.Do("a scheduled task", func() error {
		if _, err := client.Enqueue(asynq.NewTask("work", []byte("later")), asynq.ProcessIn(time.Second)); err != nil {
			return err
		}
		return waitFor("later")
	})
	check.Do("a task that fails is tried again", func() error {
		if _, err := client.Enqueue(asynq.NewTask("fail once", []byte("again"))); err != nil {
			return err
		}
		return waitFor("again")
	})
	check.Do("a unique task", func() error {
		if _, err := client.Enqueue(asynq.NewTask("work", []byte("u")), asynq.Unique(time.Minute), asynq.ProcessIn(time.Hour)); err != nil {
			return err
		}
		_, err := client.Enqueue(asynq.NewTask("work", []byte("u")), asynq.Unique(time.Minute))
		if !errors.Is(err, asynq.ErrDuplicateTask) {
			return fmt.Errorf("the second: %v", err)
		}
		return nil
	})
	check.Do("a hundred tasks", func() error {
		for range 100 {
			if _, err := client.Enqueue(asynq.NewTask("work", []byte("many"))); err != nil {
				return err
			}
		}
		for range 100 {
			if err := waitFor("many"); err != nil {
				return err
			}
		}
		return nil
	})
	check.Do("servers are listed", func() error {
		servers, err := inspector.Servers()
		return check.Equal("servers", len(servers), 1, err)
	})
	check.Do("a queue is paused", func() error {
		return check.First(inspector.PauseQueue("default"), inspector.UnpauseQueue("default"))
	})
	check.Do("scheduled tasks are listed", func() error {
		tasks, err := inspector.ListScheduledTasks("default")
		return check.Equal("scheduled", len(tasks), 1, err)
	})
	check.Do("close", func() error {
		server.Shutdown()
		return check.First(client.Close(), inspector.Close())
	})
	check.Done()
}
