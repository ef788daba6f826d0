//! The kernels' tests for a page (`../kernels.test.mjs`): the very functions that run natively, on the browser's
//! WebGPU. A failure is an exception that bears the panic's message; the page is of no use afterwards.
#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../../kernels/mod.rs"]
mod kernels;

use std::panic;

use fathom_engine::DeviceRequest;
use fathom_engine::kernels::ALL;
use kernels::{Devices, for_each_test};
use wasm_bindgen::prelude::*;

macro_rules! browser {
    ($($module:ident::$test:ident,)*) => {
        const TESTS: &[&str] = &[$(stringify!($test)),*];

        async fn call(test: &str, on: &Devices) {
            match test {
                $(stringify!($test) => kernels::$module::$test(on).await,)*
                _ => panic!("{test}: no such test"),
            }
        }
    };
}
for_each_test!(browser);

/// The tests' names.
#[wasm_bindgen]
pub fn tests() -> Vec<String> {
    TESTS.iter().map(|&test| test.to_owned()).collect()
}

/// The names of all kernels.
#[wasm_bindgen]
pub fn kernels() -> Vec<String> {
    ALL.iter().map(|kernel| kernel.shader.name.to_owned()).collect()
}

/// Runs a test; returns the kernel of each comparison.
#[wasm_bindgen]
pub async fn run(test: String) -> Vec<String> {
    panic::set_hook(Box::new(|panic| wasm_bindgen::throw_str(&panic.to_string())));
    let on = Devices::open(&DeviceRequest::Gpu).await.expect("WebGPU");
    call(&test, &on).await;
    on.compared().into_iter().map(str::to_owned).collect()
}
