//! What the broker is measured beside: actix-web alone, and actix-web that asks Redis through a pool on each request,
//! as a service does that keeps its tokens there.
//!
//! `peers bare PORT BYTES`, `peers redis PORT BYTES REDIS_URL`; one worker, the path of a token.

use std::error::Error;

use actix_web::http::header::ContentType;
use actix_web::{App, HttpResponse, HttpServer, web};
use deadpool::managed::{Manager, Metrics, Pool, RecycleResult};
use redis::AsyncCommands as _;
use redis::aio::MultiplexedConnection;

/// Where the Redis peer keeps its token.
const TOKEN: &str = "bench:token";

/// Opens connections to one Redis.
struct Redis(redis::Client);

impl Manager for Redis {
    type Type = MultiplexedConnection;
    type Error = redis::RedisError;

    async fn create(&self) -> Result<Self::Type, Self::Error> {
        self.0.get_multiplexed_async_connection().await
    }

    async fn recycle(&self, _: &mut Self::Type, _: &Metrics) -> RecycleResult<Self::Error> {
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    actix_web::rt::System::new().block_on(async {
        match arguments.as_slice() {
            ["bare", port, length] => bare(port.parse()?, length.parse()?).await,
            ["redis", port, length, url] => asks_redis(port.parse()?, length.parse()?, url).await,
            _ => Err("peers bare PORT BYTES | redis PORT BYTES REDIS_URL".into()),
        }
    })
}

/// As little as actix-web can do for an answer of so many bytes.
async fn bare(port: u16, length: usize) -> Result<(), Box<dyn Error>> {
    let body = web::Bytes::from(vec![b'x'; length]);
    let app = move || {
        let body = body.clone();
        let answer = move |_: web::Path<String>| {
            let body = body.clone();
            async {
                HttpResponse::Ok()
                    .content_type(ContentType::json())
                    .body(body)
            }
        };
        App::new().route("/token/{appid}", web::get().to(answer))
    };
    let server = HttpServer::new(app).workers(1);
    Ok(server.bind(("127.0.0.1", port))?.run().await?)
}

async fn asks_redis(port: u16, length: usize, url: &str) -> Result<(), Box<dyn Error>> {
    let pool = Pool::builder(Redis(redis::Client::open(url)?)).max_size(64);
    let pool: Pool<Redis> = pool.build()?;
    let mut connection = pool.get().await.map_err(|error| error.to_string())?;
    let _: () = connection.set(TOKEN, vec![b'x'; length]).await?;
    drop(connection);
    let app = move || {
        let pool = pool.clone();
        let answer = move |_: web::Path<String>| {
            let pool = pool.clone();
            async move {
                let body: Option<Vec<u8>> = match pool.get().await {
                    Ok(mut connection) => connection.get(TOKEN).await.ok(),
                    Err(_) => None,
                };
                match body {
                    Some(body) => HttpResponse::Ok()
                        .content_type(ContentType::json())
                        .body(body),
                    None => HttpResponse::ServiceUnavailable().finish(),
                }
            }
        };
        App::new().route("/token/{appid}", web::get().to(answer))
    };
    let server = HttpServer::new(app).workers(1);
    Ok(server.bind(("127.0.0.1", port))?.run().await?)
}
