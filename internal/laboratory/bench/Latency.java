// Kafka's own EndToEndLatency, told in microseconds and with a warm-up: one record at a time is
// written, with the acks of all in-sync replicas, and read again without a group and without
// commits. Arguments: brokers, topic, records of the warm-up, records that count, bytes of a record.
// It prints the rate, and the times that 50 and 99 of a hundred records don't exceed.

import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

public class Latency {
    public static void main(String[] args) throws Exception {
        int warm = Integer.parseInt(args[2]), count = Integer.parseInt(args[3]);
        byte[] value = new byte[Integer.parseInt(args[4])];
        Map<String, Object> config = Map.of("bootstrap.servers", args[0]);
        Map<String, Object> write = new HashMap<>(config), read = new HashMap<>(config);
        write.putAll(Map.of("acks", "all", "linger.ms", 0));
        read.putAll(Map.of("enable.auto.commit", false, "fetch.max.wait.ms", 500));
        long[] took = new long[count];
        try (var producer = new KafkaProducer<>(write, new ByteArraySerializer(), new ByteArraySerializer());
             var consumer = new KafkaConsumer<>(read, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> partitions = consumer.partitionsFor(args[1]).stream()
                .map(p -> new TopicPartition(p.topic(), p.partition())).toList();
            consumer.assign(partitions);
            consumer.seekToEnd(partitions);
            for (TopicPartition p : partitions) {
                consumer.position(p);
            }
            for (int i = -warm; i < count; i++) {
                byte[] key = String.format("%08d", i + warm).getBytes();
                long begin = System.nanoTime();
                producer.send(new ProducerRecord<>(args[1], key, value)).get();
                while (consumer.poll(Duration.ofSeconds(10)).isEmpty()) {
                }
                if (i >= 0) {
                    took[i] = System.nanoTime() - begin;
                }
            }
        }
        double each = Arrays.stream(took).average().orElseThrow();
        Arrays.sort(took);
        System.out.printf(Locale.ROOT, "%.1f records/s, 50th %.3f ms, 99th %.3f ms%n",
            1e9 / each, took[count / 2] / 1e6, took[count * 99 / 100] / 1e6);
    }
}
