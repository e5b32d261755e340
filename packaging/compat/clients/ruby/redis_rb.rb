# redis-rb with its defaults.

require 'redis'
require_relative 'check'

puts "version #{Redis::VERSION}"
r = Redis.new(host: HOST, port: PORT, ssl: TLS, ssl_params: TLS_PARAMS)
make = -> { Redis.new(host: HOST, port: PORT, ssl: TLS, ssl_params: TLS_PARAMS) }
later = ->(&f) { Thread.new { sleep 0.2; f.call(make.call) } }

check('connect') { equal r.ping, 'PONG' }
check('set and get') do
  equal r.set('k', 'v', ex: 60), 'OK'
  equal r.get('k'), 'v'
  equal r.get('absent'), nil
  equal r.mget('k', 'absent'), ['v', nil]
  equal r.mapped_mget('k'), { 'k' => 'v' }
end
check('structures') do
  r.hset('h', { 'a' => 1 })
  equal r.hgetall('h'), { 'a' => '1' }
  r.zadd('z', [[1.5, 'a'], [2, 'b']])
  equal r.zrange('z', 0, -1, with_scores: true), [['a', 1.5], ['b', 2.0]]
end
check('pipelined') do
  got = r.pipelined { |p| 50.times { |i| p.set("p#{i}", i); p.get("p#{i}") } }
  equal got.last, '49'
end
check('multi') { equal(r.multi { |t| t.set('{m}a', 1); t.incr('{m}a') }, ['OK', 2]) }
check('watch') do
  r.watch('w') do
    make.call.set('w', 'other')
    equal(r.multi { |t| t.set('w', 'mine') }, nil)
  end
  r.watch('w') { equal(r.multi { |t| t.set('w', 'mine') }, ['OK']) }
  r.watch('w') { r.unwatch }
end
check('blpop') do
  later.call { |other| other.rpush('list', 'x') }
  equal r.blpop('list', timeout: 10), ['list', 'x']
  equal r.blpop('list', timeout: 1), nil
end
check('subscribe') do
  got = []
  later.call { |other| 3.times { |i| other.publish('news', i) } }
  r.subscribe('news') do |on|
    on.message do |_, message|
      got << message
      r.unsubscribe if got.size == 3
    end
  end
  equal got, %w[0 1 2]
  equal r.get('k'), 'v'
end
check('psubscribe') do
  got = []
  later.call { |other| other.publish('news', 'x') }
  r.psubscribe('n*') { |on| on.pmessage { |pattern, channel, message| got << [pattern, channel, message]; r.punsubscribe } }
  equal got, [['n*', 'news', 'x']]
end
check('scripts') do
  equal r.eval('return {KEYS[1], ARGV[1]}', ['k'], ['a']), %w[k a]
  sha = r.script(:load, 'return redis.call("INCR", KEYS[1])')
  20.times { |i| equal r.evalsha(sha, ["sha#{i}"]), 1 }
  equal r.script(:exists, sha), true
end
check('scan_each') { equal r.scan_each(match: 'p*', count: 20).to_a.uniq.size, 50 }
check('keys and dbsize') do
  equal r.keys('p*').size, 50
  equal r.dbsize >= 50, true
end
check('info') do
  equal r.info.key?('redis_version'), true
  equal r.info(:commandstats).key?('get'), true
end
check('streams') do
  r.xgroup(:create, 'stream', 'g', '$', mkstream: true)
  later.call { |other| other.xadd('stream', { 'f' => 'v' }) }
  equal r.xreadgroup('g', 'me', 'stream', '>', block: 10_000)['stream'][0][1], { 'f' => 'v' }
end
check('client') { equal r.client(:list).size >= 1, true }
check('a name') { equal Redis.new(host: HOST, port: PORT, ssl: TLS, ssl_params: TLS_PARAMS, id: 'compat').client(:setname, 'compat'), 'OK' }
check('monitor') do
  seen = nil
  later.call { |other| other.get('monitored') }
  watcher = make.call
  begin
    watcher.monitor { |line| (seen = line; raise StopIteration) if line.include?('monitored') }
  rescue StopIteration
    nil
  end
  equal seen.include?('"get"'), true
end
check('database 0') { equal Redis.new(url: "#{SCHEME}://#{HOST}:#{PORT}/0", ssl_params: TLS_PARAMS).get('k'), 'v' }
check('a database of its own') do
  in1 = Redis.new(host: HOST, port: PORT, ssl: TLS, ssl_params: TLS_PARAMS, db: 1)
  equal in1.get('k'), nil
  in1.set('k', 'in one')
  equal r.get('k'), 'v'
end
check('flushdb') { equal r.flushdb, 'OK'; equal r.dbsize, 0 }
check('quit') { equal r.quit, 'OK' }
done
