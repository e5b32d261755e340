/* hiredis: commands, pipelines, transactions, blocking, and subscriptions on the synchronous side. */

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *host;
static int port;
static char why[512];

static redisContext *dial(void) {
    struct timeval limit = {20, 0};
    redisContext *c = redisConnect(host, port);
    if (c && !c->err) redisSetTimeout(c, limit);
    return c;
}

/* A check returns nonzero if all is well, and says why in the other case. */
static void check(const char *name, int (*f)(redisContext *)) {
    redisContext *c = dial();
    why[0] = 0;
    if (!c || c->err) {
        printf("FAIL %s: %s\n", name, c ? c->errstr : "no memory");
    } else if (f(c)) {
        printf("ok %s\n", name);
    } else {
        printf("FAIL %s: %s %s\n", name, why, c->errstr);
    }
    if (c) redisFree(c);
    fflush(stdout);
}

/* Like printf of a reply: what it is, on one line. */
static void show(redisReply *r, char *out, size_t n) {
    size_t used = 0;
    if (!r) {
        snprintf(out, n, "no reply");
        return;
    }
    switch (r->type) {
    case REDIS_REPLY_INTEGER: snprintf(out, n, ":%lld", r->integer); break;
    case REDIS_REPLY_NIL: snprintf(out, n, "nil"); break;
    case REDIS_REPLY_ERROR: snprintf(out, n, "-%s", r->str); break;
    case REDIS_REPLY_STATUS: snprintf(out, n, "+%s", r->str); break;
    case REDIS_REPLY_STRING: snprintf(out, n, "%s", r->str); break;
    case REDIS_REPLY_ARRAY:
        used = snprintf(out, n, "[");
        for (size_t i = 0; i < r->elements && used + 2 < n; i++) {
            show(r->element[i], out + used, n - used - 2);
            used = strlen(out);
            if (i + 1 < r->elements) used += snprintf(out + used, n - used, " ");
        }
        snprintf(out + used, n - used, "]");
        break;
    default: snprintf(out, n, "type %d", r->type);
    }
}

static int is(redisReply *r, const char *want) {
    char got[256];
    show(r, got, sizeof got);
    if (r) freeReplyObject(r);
    if (strcmp(got, want) == 0) return 1;
    snprintf(why, sizeof why, "got %s, want %s", got, want);
    return 0;
}

static redisReply *next(redisContext *c) {
    void *r = NULL;
    return redisGetReply(c, &r) == REDIS_OK ? r : NULL;
}

/* Has another process send a command a little later. */
static void later(const char *command) {
    if (fork() == 0) {
        usleep(300000);
        redisContext *c = dial();
        if (c && !c->err) redisCommand(c, command);
        _exit(0);
    }
}

static int connects(redisContext *c) { return is(redisCommand(c, "PING"), "+PONG"); }

static int set_and_get(redisContext *c) {
    return is(redisCommand(c, "SET %s %b", "k", "a\r\nb", (size_t)4), "+OK") && is(redisCommand(c, "GET k"), "a\r\nb") &&
           is(redisCommand(c, "GET absent"), "nil") && is(redisCommand(c, "HSET h a 1"), ":1") &&
           is(redisCommand(c, "HGETALL h"), "[a 1]");
}

static int pipeline(redisContext *c) {
    for (int i = 0; i < 1000; i++) redisAppendCommand(c, "SET p%d %d", i, i);
    for (int i = 0; i < 1000; i++) redisAppendCommand(c, "GET p%d", i);
    for (int i = 0; i < 1000; i++)
        if (!is(next(c), "+OK")) return 0;
    for (int i = 0; i < 1000; i++) {
        char want[16];
        snprintf(want, sizeof want, "%d", i);
        if (!is(next(c), want)) return 0;
    }
    return 1;
}

static int transaction(redisContext *c) {
    return is(redisCommand(c, "MULTI"), "+OK") && is(redisCommand(c, "SET {m}a 1"), "+QUEUED") &&
           is(redisCommand(c, "INCR {m}a"), "+QUEUED") && is(redisCommand(c, "EXEC"), "[+OK :2]");
}

static int aborted(redisContext *c) {
    return is(redisCommand(c, "MULTI"), "+OK") && is(redisCommand(c, "GET"), "-ERR wrong number of arguments for 'get' command") &&
           is(redisCommand(c, "EXEC"), "-EXECABORT Transaction discarded because of previous errors.");
}

static int watch(redisContext *c) {
    redisContext *other = dial();
    int good = is(redisCommand(c, "WATCH w"), "+OK") && is(redisCommand(other, "SET w other"), "+OK") && is(redisCommand(c, "MULTI"), "+OK") &&
               is(redisCommand(c, "SET w mine"), "+QUEUED") && is(redisCommand(c, "EXEC"), "nil");
    redisFree(other);
    return good;
}

static int blocks(redisContext *c) {
    later("RPUSH list x");
    return is(redisCommand(c, "BLPOP list 10"), "[list x]") && is(redisCommand(c, "BLPOP list 1"), "nil");
}

static int subscribes(redisContext *c) {
    if (!is(redisCommand(c, "SUBSCRIBE news"), "[subscribe news :1]")) return 0;
    if (!is(redisCommand(c, "PSUBSCRIBE n*"), "[psubscribe n* :2]")) return 0;
    later("PUBLISH news m");
    redisReply *first = next(c);
    int message = first && first->elements == 3;
    return is(first, message ? "[message news m]" : "[pmessage n* news m]") && is(next(c), message ? "[pmessage n* news m]" : "[message news m]") &&
           is(redisCommand(c, "PING"), "[pong ]") && is(redisCommand(c, "UNSUBSCRIBE"), "[unsubscribe news :1]") &&
           is(redisCommand(c, "PUNSUBSCRIBE"), "[punsubscribe n* :0]") && is(redisCommand(c, "PING"), "+PONG");
}

static int scripts(redisContext *c) {
    redisReply *sha = redisCommand(c, "SCRIPT LOAD %s", "return redis.call('INCR', KEYS[1])");
    if (!sha || sha->type != REDIS_REPLY_STRING) return is(sha, "a digest");
    for (int i = 0; i < 20; i++)
        if (!is(redisCommand(c, "EVALSHA %s 1 sha%d", sha->str, i), ":1")) return 0;
    freeReplyObject(sha);
    return is(redisCommand(c, "EVAL %s 1 k a", "return {KEYS[1], ARGV[1]}"), "[k a]");
}

static int scan(redisContext *c) {
    char cursor[32] = "0";
    size_t seen = 0;
    do {
        redisReply *r = redisCommand(c, "SCAN %s MATCH p* COUNT 100", cursor);
        if (!r || r->type != REDIS_REPLY_ARRAY) return is(r, "an array");
        snprintf(cursor, sizeof cursor, "%s", r->element[0]->str);
        seen += r->element[1]->elements;
        freeReplyObject(r);
    } while (strcmp(cursor, "0") != 0);
    snprintf(why, sizeof why, "saw %zu keys, want 1000 or more", seen);
    return seen >= 1000;
}

static int info(redisContext *c) {
    redisReply *r = redisCommand(c, "INFO");
    int good = r && r->type == REDIS_REPLY_STRING && strstr(r->str, "redis_version:") && strstr(r->str, "used_memory:");
    snprintf(why, sizeof why, "lacks fields");
    if (r) freeReplyObject(r);
    return good;
}

static int selects0(redisContext *c) { return is(redisCommand(c, "SELECT 0"), "+OK"); }

static int selects1(redisContext *c) {
    return is(redisCommand(c, "SELECT 1"), "+OK") && is(redisCommand(c, "GET k"), "nil") && is(redisCommand(c, "SELECT 0"), "+OK") &&
           is(redisCommand(c, "GET k"), "a\r\nb");
}

static int quits(redisContext *c) { return is(redisCommand(c, "QUIT"), "+OK"); }

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    host = argv[1];
    port = atoi(argv[2]);
    printf("version %d.%d.%d\n", HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH);
    fflush(stdout);
    check("connect", connects);
    check("set and get", set_and_get);
    check("pipeline", pipeline);
    check("MULTI", transaction);
    check("MULTI with an error", aborted);
    check("WATCH", watch);
    check("BLPOP", blocks);
    check("SUBSCRIBE", subscribes);
    check("scripts", scripts);
    check("SCAN", scan);
    check("INFO", info);
    check("SELECT 0", selects0);
    check("SELECT 1", selects1);
    check("QUIT", quits);
    while (wait(NULL) > 0) continue;
    printf("done\n");
    return 0;
}
