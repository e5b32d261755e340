<?php
// phpredis with its defaults: commands, transactions, and PHP's sessions.

require __DIR__ . '/check.php';

echo 'version ', phpversion('redis'), "\n";
$scheme = $tls ?: 'tcp://'; // of sessions
$make = function () use ($host, $port, $tls) {
    $r = new Redis();
    $r->connect("$tls$host", $port);
    return $r;
};
$r = $make();

check('connect', fn () => equal($r->ping(), true));
check('set and get', function () use ($r) {
    equal($r->set('k', 'v', 60), true);
    equal($r->get('k'), 'v');
    equal($r->get('absent'), false);
    equal($r->mGet(['k', 'absent']), ['v', false]);
});
check('structures', function () use ($r) {
    $r->hMSet('h', ['a' => 1]);
    equal($r->hGetAll('h'), ['a' => '1']);
    $r->zAdd('z', 1.5, 'a');
    equal($r->zRange('z', 0, -1, true), ['a' => 1.5]);
});
check('pipeline', function () use ($r) {
    $p = $r->pipeline();
    for ($i = 0; $i < 50; $i++) {
        $p->set("p$i", (string) $i)->get("p$i");
    }
    equal($p->exec()[99], '49');
});
check('multi', fn () => equal($r->multi()->set('{m}a', 1)->incr('{m}a')->get('{m}a')->exec(), [true, 2, '2']));
check('multi, discarded', function () use ($r) {
    $r->multi()->set('{m}a', 9);
    equal($r->discard(), true);
    equal($r->get('{m}a'), '2');
});
check('watch', function () use ($r, $make) {
    $r->watch('w');
    $make()->set('w', 'other');
    equal($r->multi()->set('w', 'mine')->exec(), false);
    $r->watch('w');
    equal($r->multi()->set('w', 'mine')->exec(), [true]);
    $r->watch('w');
    equal($r->unwatch(), true);
});
check('blPop', function () use ($r, $make) {
    later(fn () => $make()->rPush('list', 'x'));
    equal($r->blPop(['list'], 10), ['list', 'x']);
    equal($r->blPop(['list'], 1), []);
});
check('subscribe', function () use ($make) {
    later(fn () => $make()->publish('news', 'm'));
    $sub = $make();
    $sub->setOption(Redis::OPT_READ_TIMEOUT, 10);
    $got = null;
    try {
        $sub->subscribe(['news'], function ($r, $channel, $message) use (&$got) {
            $got = [$channel, $message];
            $r->close(); // there is no other way out
        });
    } catch (RedisException) {
    }
    equal($got, ['news', 'm']);
});
check('pubsub', fn () => equal($r->pubsub('numsub', ['nobody']), ['nobody' => 0]));
check('scripts', function () use ($r) {
    equal($r->eval('return {KEYS[1], ARGV[1]}', ['k', 'a'], 1), ['k', 'a']);
    $sha = $r->script('load', 'return redis.call("INCR", KEYS[1])');
    for ($i = 0; $i < 20; $i++) {
        equal($r->evalSha($sha, ["sha$i"], 1), 1);
    }
    equal($r->script('exists', $sha), [1]);
});
check('scan', function () use ($r) {
    $seen = [];
    $cursor = null;
    $r->setOption(Redis::OPT_SCAN, Redis::SCAN_RETRY);
    while ($keys = $r->scan($cursor, 'p*', 20)) {
        $seen = array_merge($seen, $keys);
    }
    equal(count(array_unique($seen)), 50);
});
check('keys and dbSize', function () use ($r) {
    equal(count($r->keys('p*')), 50);
    equal($r->dbSize() >= 50, true);
});
check('info', fn () => equal(isset($r->info()['redis_version'], $r->info()['connected_clients']), true));
check('streams', function () use ($r) {
    $r->xGroup('CREATE', 'stream', 'g', '$', true);
    $r->xAdd('stream', '*', ['f' => 'v']);
    equal(array_values($r->xReadGroup('g', 'me', ['stream' => '>'], 1, 1000)['stream'])[0], ['f' => 'v']);
});
check('client', fn () => equal(count($r->client('list')) >= 1, true));
check('config and time', function () use ($r) {
    equal($r->config('GET', 'maxmemory'), ['maxmemory' => '0']);
    equal(count($r->time()), 2);
});
check('pconnect', function () use ($host, $port, $tls) {
    $p = new Redis();
    equal($p->pconnect("$tls$host", $port), true);
    equal($p->get('k'), 'v');
});
check('select 0', fn () => equal($r->select(0), true));
check('select 1', function () use ($make) {
    $in1 = $make();
    equal($in1->select(1), true);
    equal($in1->get('k'), false);
    $in1->set('k', 'in one');
    equal($in1->get('k'), 'in one');
});
$visit = function (string $path, string $value) {
    $command = array_map('escapeshellarg', [PHP_BINARY, __DIR__ . '/session.php', 'redis', $path, 'compatsession', $value]);
    exec(implode(' ', $command) . ' 2>&1', $lines, $status);
    if ($status !== 0) {
        throw new Exception(implode(' ', $lines));
    }
    return implode("\n", $lines);
};
check('a session', function () use ($visit, $host, $port, $scheme) {
    equal($visit("$scheme$host:$port", 'mine'), 'mine');
    equal($visit("$scheme$host:$port", ''), 'mine');
});
check('a session in a database', function () use ($visit, $host, $port, $scheme) {
    equal($visit("$scheme$host:$port?database=2", 'in two'), 'in two');
    equal($visit("$scheme$host:$port?database=2", ''), 'in two');
    equal($visit("$scheme$host:$port", ''), 'mine');
});
check('flushDb', function () use ($r) {
    equal($r->flushDb(), true);
    equal($r->dbSize(), 0);
});
check('close', fn () => equal($r->close(), true));
done();
