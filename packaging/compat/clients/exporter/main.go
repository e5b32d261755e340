// Redis_exporter: starts it with its defaults, and reads what it exports.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/packaging/compat/clients/check"
)

const program = "prometheus-redis-exporter"

func main() {
	address := check.Address()
	out, err := exec.Command(program, "--version").CombinedOutput()
	if err != nil {
		fmt.Println("absent", program, err)
		return
	}
	if version := regexp.MustCompile(`v?\d+\.\d+\.\d+`).FindString(string(out)); version != "" {
		fmt.Println("version", version)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println("absent", err)
		return
	}
	web := l.Addr().String()
	l.Close()
	scheme := "redis"
	if check.TLS() != nil {
		scheme = "rediss"
	}
	cmd := exec.Command(program, "-redis.addr", scheme+"://"+address, "-web.listen-address", web)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var text string
	check.Do("start", func() error {
		if err := cmd.Start(); err != nil {
			return err
		}
		text, err = fetch("http://" + web + "/metrics")
		return err
	})
	has := func(names ...string) func() error {
		return func() error {
			for _, name := range names {
				if !strings.Contains(text, "\n"+name) {
					return fmt.Errorf("no %s", name)
				}
			}
			return nil
		}
	}
	check.Do("redis_up", has("redis_up 1"))
	check.Do("no error", has(`redis_exporter_last_scrape_error{err=""} 0`))
	check.Do("instance", has(`redis_instance_info{`, `redis_uptime_in_seconds `))
	check.Do("clients", has("redis_connected_clients ", "redis_blocked_clients "))
	check.Do("memory", has("redis_memory_used_bytes ", "redis_memory_max_bytes "))
	check.Do("statistics", has("redis_commands_processed_total ", "redis_connections_received_total ", "redis_keyspace_hits_total "))
	check.Do("commands", has(`redis_commands_total{cmd=`))
	check.Do("keyspace", has(`redis_db_keys{db="db0"}`))
	check.Do("configuration", has("redis_config_maxclients "))
	check.Do("slow log", has("redis_slowlog_length "))
	check.Do("role", has(`redis_instance_info{`, `redis_connected_slaves 0`))
	if cmd.Process != nil {
		cmd.Process.Kill()
		cmd.Wait()
	}
	check.Done()
}

func fetch(url string) (string, error) {
	deadline := time.Now().Add(15 * time.Second)
	for {
		response, err := http.Get(url)
		if err == nil {
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			return string(body), err
		}
		if time.Now().After(deadline) {
			return "", err
		}
		time.Sleep(50 * time.Millisecond)
	}
}
