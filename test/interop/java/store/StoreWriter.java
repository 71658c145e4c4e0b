package cometmq.interop;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExtBatch;
import org.apache.rocketmq.common.message.MessageExtBrokerInner;
import org.apache.rocketmq.common.sysflag.MessageSysFlag;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.PutMessageResult;

/**
 * Writes messages into a directory through Apache's DefaultMessageStore and prints a fact for each.
 *
 * --topic T (repeatable, cyclic; more than 127 characters make version 2 records)  --queues N  --count N  --sizes 0,10,4096 (cyclic)
 * --key-prefix k  --tags a,b  --hosts ipv4|ipv6|mixed  --batch-size N (0: single messages)  --sys-flag N  --property name=value
 * --born-timestamp N  --first-seq N  --end clean|halt (halt ends the JVM without any shutdown)  plus the options of StoreOpener.
 */
public final class StoreWriter {
    private final Options options;
    private final List<String> topics;
    private final List<String> sizes;
    private final List<String> tags;
    private final List<String> properties;
    private final String keyPrefix;
    private final String hosts;
    private final int queues;
    private final int sysFlag;
    private final long bornTimestamp;

    private StoreWriter(Options options) {
        this.options = options;
        topics = options.all("topic");
        sizes = options.list("sizes", "100");
        tags = options.list("tags", "");
        properties = options.all("property");
        keyPrefix = options.text("key-prefix", "");
        hosts = options.text("hosts", "ipv4");
        queues = options.number("queues", 1);
        sysFlag = options.number("sys-flag", 0);
        bornTimestamp = Long.parseLong(options.text("born-timestamp", "1700000000000"));
    }

    public static void main(String[] args) throws Exception {
        Facts.exitWhenMainFails();
        Options options = new Options(args);
        StoreWriter writer = new StoreWriter(options);
        int count = options.number("count", 1);
        int batchSize = options.number("batch-size", 0);
        long firstSeq = options.number("first-seq", 0);
        boolean halt = options.text("end", "clean").equals("halt");
        DefaultMessageStore store = StoreOpener.open(options);
        options.refuseUnknown();
        long seq = firstSeq;
        while (seq < firstSeq + count) {
            seq += batchSize > 0 ? writer.putBatch(store, seq, batchSize) : writer.putOne(store, seq);
        }
        StoreOpener.awaitDispatch(store);
        Facts.of("done").with("maxPhysicalOffset", store.getMaxPhyOffset()).with("checkpoint", StoreOpener.checkpoint(store)).print();
        if (halt) {
            Runtime.getRuntime().halt(0);
        }
        store.shutdown();
        System.exit(0);
    }

    private int putOne(DefaultMessageStore store, long seq) throws Exception {
        MessageExtBrokerInner message = new MessageExtBrokerInner();
        fill(message, seq);
        message.setBody(body(seq));
        addProperties(message, seq);
        message.setPropertiesString(MessageDecoder.messageProperties2String(message.getProperties()));
        String tag = message.getTags();
        message.setTagsCode(tag == null ? 0 : MessageExtBrokerInner.tagsString2tagsCode(tag));
        print(message, seq, message.getBody(), store.asyncPutMessage(message).get(), 0);
        return 1;
    }

    private int putBatch(DefaultMessageStore store, long seq, int size) throws Exception {
        List<Message> messages = new ArrayList<>();
        for (int i = 0; i < size; i++) {
            Message message = new Message(topicOf(seq), body(seq + i));
            addProperties(message, seq + i);
            messages.add(message);
        }
        MessageExtBatch batch = new MessageExtBatch();
        fill(batch, seq);
        batch.setBody(MessageDecoder.encodeMessages(messages));
        batch.setPropertiesString("");
        PutMessageResult result = store.asyncPutMessages(batch).get();
        for (int i = 0; i < size; i++) {
            print(batch, seq + i, messages.get(i).getBody(), result, i);
        }
        return size;
    }

    private void fill(MessageExtBrokerInner message, long seq) throws Exception {
        message.setTopic(topicOf(seq));
        message.setQueueId((int) (seq / topics.size() % queues));
        message.setSysFlag(sysFlag);
        message.setBornTimestamp(bornTimestamp + seq);
        message.setBornHost(host(seq % 2 == 1, 40000 + (int) (seq % 1000)));
        message.setStoreHost(host(seq % 4 > 1, 10911));
        message.setReconsumeTimes(0);
        message.setFlag((int) seq);
    }

    private InetSocketAddress host(boolean second, int port) throws Exception {
        boolean v6 = hosts.equals("ipv6") || hosts.equals("mixed") && second;
        return new InetSocketAddress(InetAddress.getByName(v6 ? "2001:db8::10" : "127.0.0.1"), port);
    }

    private String topicOf(long seq) {
        return topics.get((int) (seq % topics.size()));
    }

    private byte[] body(long seq) {
        byte[] body = new byte[Integer.parseInt(sizes.get((int) (seq % sizes.size())))];
        new Random(seq).nextBytes(body);
        return body;
    }

    private void addProperties(Message message, long seq) {
        MessageAccessor.putProperty(message, MessageConst.PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX, String.format("%032X", seq + 1));
        MessageAccessor.putProperty(message, "seq", Long.toString(seq));
        if (!keyPrefix.isEmpty()) {
            message.setKeys(keyPrefix + "-" + seq);
        }
        if (!tags.isEmpty()) {
            message.setTags(tags.get((int) (seq % tags.size())));
        }
        for (String property : properties) {
            int equals = property.indexOf('=');
            MessageAccessor.putProperty(message, property.substring(0, equals), property.substring(equals + 1));
        }
    }

    private void print(MessageExtBrokerInner message, long seq, byte[] body, PutMessageResult result, int inBatch) {
        Facts fact = Facts.of("put").with("seq", seq).with("status", result.getPutMessageStatus().name())
            .with("topic", message.getTopic()).with("queueId", message.getQueueId()).with("size", body.length)
            .with("sha256", Facts.sha256(body)).with("version", message.getVersion().name())
            .with("transactionType", message.getSysFlag() & MessageSysFlag.TRANSACTION_ROLLBACK_TYPE);
        if (result.getAppendMessageResult() != null) {
            fact.with("queueOffset", result.getAppendMessageResult().getLogicsOffset() + inBatch)
                .with("physicalOffset", inBatch == 0 ? result.getAppendMessageResult().getWroteOffset() : null)
                .with("wroteBytes", result.getAppendMessageResult().getWroteBytes())
                .with("msgId", result.getAppendMessageResult().getMsgId())
                .with("storeTimestamp", result.getAppendMessageResult().getStoreTimestamp());
        }
        fact.print();
    }
}
