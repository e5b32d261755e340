<?php
// Predis with its defaults.

require __DIR__ . '/check.php';
if (!(@include 'Predis/Autoloader.php')) {
    echo "absent Predis\n";
    exit;
}
Predis\Autoloader::register();

echo 'version ', Predis\Client::VERSION, "\n";
$make = fn (array $more = []) => new Predis\Client(['host' => $host, 'port' => $port, 'scheme' => $tls ? 'tls' : 'tcp', 'read_write_timeout' => 20] + $more);
$r = $make();

check('connect', fn () => equal((string) $r->ping(), 'PONG'));
check('set and get', function () use ($r) {
    equal((string) $r->set('k', 'v', 'EX', 60), 'OK');
    equal($r->get('k'), 'v');
    equal($r->get('absent'), null);
    equal($r->mget(['k', 'absent']), ['v', null]);
});
check('pipeline', function () use ($r) {
    $got = $r->pipeline(function ($p) {
        for ($i = 0; $i < 50; $i++) {
            $p->set("p$i", $i);
            $p->get("p$i");
        }
    });
    equal($got[99], '49');
});
check('transaction', function () use ($r) {
    $got = $r->transaction(function ($t) {
        $t->set('{m}a', 1);
        $t->incr('{m}a');
    });
    equal($got[1], 2);
});
check('transaction with cas', function () use ($r) {
    $got = $r->transaction(['watch' => '{m}a', 'cas' => true, 'retry' => 3], function ($t) {
        $n = $t->get('{m}a');
        $t->multi();
        $t->set('{m}a', $n + 10);
    });
    equal((string) $got[0], 'OK');
    equal($r->get('{m}a'), '12');
});
check('atomic pipeline', function () use ($r) {
    $got = $r->pipeline(['atomic' => true], function ($p) {
        $p->incr('{m}b');
        $p->incr('{m}b');
    });
    equal($got, [1, 2]);
});
check('blpop', function () use ($r, $make) {
    later(fn () => $make()->rpush('list', ['x']));
    equal($r->blpop(['list'], 10), ['list', 'x']);
});
check('pubSubLoop', function () use ($make) {
    later(fn () => $make()->publish('news', 'm'));
    $loop = $make()->pubSubLoop(['subscribe' => 'news']);
    foreach ($loop as $message) {
        if ($message->kind === 'message') {
            equal($message->payload, 'm');
            $loop->unsubscribe();
        }
    }
    unset($loop);
});
check('scripts', function () use ($r) {
    equal($r->eval('return {KEYS[1], ARGV[1]}', 1, 'k', 'a'), ['k', 'a']);
    $sha = $r->script('load', 'return redis.call("INCR", KEYS[1])');
    for ($i = 0; $i < 20; $i++) {
        equal($r->evalsha($sha, 1, "sha$i"), 1);
    }
});
check('Keyspace', fn () => equal(count(array_unique(iterator_to_array(new Predis\Collection\Iterator\Keyspace($r, 'p*', 20), false))), 50));
check('keys and dbsize', function () use ($r) {
    equal(count($r->keys('p*')), 50);
    equal($r->dbsize() >= 50, true);
});
check('info', fn () => equal(isset($r->info()['Server']['redis_version'], $r->info()['Clients']), true));
check('monitor', function () use ($make) {
    later(fn () => $make()->get('monitored'));
    foreach ($monitor = $make()->monitor() as $event) {
        if ($event->command === 'GET') {
            equal($event->arguments, '"monitored"');
            break;
        }
    }
    $monitor->stop();
});
check('a database', function () use ($make) {
    $in1 = $make(['database' => 1]);
    $in1->set('k', 'in one');
    equal($in1->get('k'), 'in one');
});
check('flushdb', fn () => equal((string) $r->flushdb(), 'OK'));
check('quit', fn () => $r->quit());
done();
