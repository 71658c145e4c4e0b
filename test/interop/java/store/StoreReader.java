package cometmq.interop;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentMap;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.GetMessageResult;
import org.apache.rocketmq.store.GetMessageStatus;
import org.apache.rocketmq.store.QueryMessageResult;
import org.apache.rocketmq.store.SelectMappedBufferResult;
import org.apache.rocketmq.store.queue.ConsumeQueueInterface;

/**
 * Reads a directory to the last byte through Apache's DefaultMessageStore: every message of every queue, then what is asked for.
 *
 * --query TOPIC:KEY (repeatable; through the index)  --time TOPIC:QUEUE:TIMESTAMP (repeatable)  --quiet true (no fact per message)
 * --end clean|halt  plus the options of StoreOpener. Prints "message", "queue", "query", "time" and "done" facts.
 */
public final class StoreReader {
    private static final int MESSAGES_PER_READ = 32;

    private final DefaultMessageStore store;
    private final boolean quiet;
    private long messages;

    private StoreReader(DefaultMessageStore store, boolean quiet) {
        this.store = store;
        this.quiet = quiet;
    }

    public static void main(String[] args) throws Exception {
        Facts.exitWhenMainFails();
        Options options = new Options(args);
        boolean quiet = options.flag("quiet", false);
        List<String> queries = options.all("query");
        List<String> times = options.all("time");
        boolean halt = options.text("end", "clean").equals("halt");
        DefaultMessageStore store = StoreOpener.open(options);
        options.refuseUnknown();
        StoreOpener.awaitDispatch(store);
        StoreReader reader = new StoreReader(store, quiet);
        Map<String, ConcurrentMap<Integer, ConsumeQueueInterface>> table = new TreeMap<>(store.getConsumeQueueTable());
        for (Map.Entry<String, ConcurrentMap<Integer, ConsumeQueueInterface>> topic : table.entrySet()) {
            for (int queueId : new TreeMap<>(topic.getValue()).keySet()) {
                reader.readQueue(topic.getKey(), queueId);
            }
        }
        for (String query : queries) {
            reader.query(query.substring(0, query.indexOf(':')), query.substring(query.indexOf(':') + 1));
        }
        for (String time : times) {
            String[] parts = time.split(":");
            Facts.of("time").with("asked", time).with("offset",
                store.getOffsetInQueueByTime(parts[0], Integer.parseInt(parts[1]), Long.parseLong(parts[2]))).print();
        }
        Facts.of("done").with("messages", reader.messages).with("minPhysicalOffset", store.getMinPhyOffset())
            .with("maxPhysicalOffset", store.getMaxPhyOffset()).with("checkpoint", StoreOpener.checkpoint(store)).print();
        if (halt) {
            Runtime.getRuntime().halt(0);
        }
        store.shutdown();
        System.exit(0);
    }

    private void readQueue(String topic, int queueId) throws Exception {
        long min = store.getMinOffsetInQueue(topic, queueId);
        long max = store.getMaxOffsetInQueue(topic, queueId);
        long read = 0;
        long offset = min;
        while (offset < max) {
            GetMessageResult result = store.getMessage("CID_store_reader", topic, queueId, offset, MESSAGES_PER_READ, null);
            try {
                if (result.getStatus() != GetMessageStatus.FOUND) {
                    Facts.of("unreadable").with("topic", topic).with("queueId", queueId).with("queueOffset", offset)
                        .with("status", result.getStatus().name()).print();
                    break;
                }
                for (SelectMappedBufferResult buffer : result.getMessageMapedList()) {
                    print(buffer.getByteBuffer(), buffer.getSize());
                    read++;
                }
                offset = result.getNextBeginOffset();
            } finally {
                result.release();
            }
        }
        messages += read;
        Facts.of("queue").with("topic", topic).with("queueId", queueId).with("min", min).with("max", max).with("read", read).print();
    }

    private void print(ByteBuffer record, int size) {
        MessageExt message = MessageDecoder.decode(record.duplicate(), true, false);
        if (message == null) {
            Facts.of("undecodable").with("size", size).print();
            return;
        }
        if (quiet) {
            return;
        }
        Facts.of("message").with("seq", message.getUserProperty("seq")).with("topic", message.getTopic())
            .with("queueId", message.getQueueId()).with("queueOffset", message.getQueueOffset())
            .with("physicalOffset", message.getCommitLogOffset()).with("storeSize", message.getStoreSize())
            .with("size", message.getBody() == null ? 0 : message.getBody().length).with("sha256", Facts.sha256(message.getBody())).with("bodyCrc", message.getBodyCRC())
            .with("flag", message.getFlag()).with("sysFlag", message.getSysFlag()).with("bornTimestamp", message.getBornTimestamp())
            .with("storeTimestamp", message.getStoreTimestamp()).with("bornHost", String.valueOf(message.getBornHost()))
            .with("storeHost", String.valueOf(message.getStoreHost())).with("reconsumeTimes", message.getReconsumeTimes())
            .with("preparedOffset", message.getPreparedTransactionOffset()).with("keys", message.getKeys())
            .with("tags", message.getTags()).with("properties", new TreeMap<>(message.getProperties())).print();
    }

    private void query(String topic, String key) {
        QueryMessageResult result = store.queryMessage(topic, key, 64, 0, Long.MAX_VALUE);
        List<Long> offsets = new ArrayList<>();
        try {
            for (ByteBuffer record : result.getMessageBufferList()) {
                offsets.add(record.getLong(record.position() + 28));
            }
        } finally {
            result.release();
        }
        Facts.of("query").with("topic", topic).with("key", key).with("physicalOffsets", offsets).print();
    }
}
